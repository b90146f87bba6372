#include "ops/pool_core.h"

namespace quadlane {

namespace {

// Taps k = 0.. of a window starting at `start` with start + k * step below `end`, at most `kernel`.
int64_t taps_below(int64_t start, int64_t end, int64_t step, int64_t kernel) {
  return end <= start ? 0 : std::min(kernel, (end - start + step - 1) / step);
}

AxisWindow window(const PoolAttrs& a, size_t axis, int64_t in, int64_t out) {
  int64_t kernel = a.kernel[axis], step = a.dilations[axis], start = out * a.strides[axis] - a.pad_begin(axis);
  int64_t skipped = taps_below(start, 0, step, kernel);
  return {start + skipped * step, taps_below(start, in, step, kernel) - skipped,
          taps_below(start, in + a.pad_end(axis), step, kernel)};
}

}  // namespace

PoolWindows pool_windows(const PoolAttrs& a, const Shape& x) {
  PoolWindows w;
  size_t missing = 3 - a.axes();  // missing axes come first, with extent 1
  for (size_t i = 0; i < a.axes(); ++i) {
    w.in[missing + i] = x[2 + i];
    w.step[missing + i] = a.dilations[i];
    w.axes[missing + i].clear();
    for (int64_t out = 0; out < a.out[i]; ++out) w.axes[missing + i].push_back(window(a, i, x[2 + i], out));
  }
  return w;
}

PoolWindows global_window(const Shape& x) {
  PoolWindows w;
  int64_t pixels = 1;
  for (size_t i = 2; i < x.size(); ++i) pixels *= x[i];
  w.in[2] = pixels;
  w.axes[2] = {{0, pixels, pixels}};
  return w;
}

}  // namespace quadlane
