#include "ops/broadcast.h"

namespace quadlane {

Result<Shape> broadcast_shape(const Shape& a, const Shape& b) {
  const Shape &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Shape shape = longer;
  for (size_t i = 0, at = longer.size() - shorter.size(); i < shorter.size(); ++i, ++at) {
    if (shape[at] == 1)
      shape[at] = shorter[i];
    else if (shorter[i] != 1 && shorter[i] != shape[at])
      return invalid_model("shapes ", to_string(a), " and ", to_string(b), " do not broadcast");
  }
  return shape;
}

Result<Shape> broadcast_shape(const OpContext& ctx) {
  Shape shape;
  for (size_t i = 0; i < ctx.inputs.size(); ++i) {
    if (!ctx.has(i)) continue;
    QL_TRY(shape, broadcast_shape(shape, ctx.shape(i)));
  }
  return shape;
}

namespace {

struct Axis {
  int64_t extent;
  int64_t step[3];  // elements each input moves by, 0 where it is broadcast
};

// The output's axes, innermost first, neighbours merged where every input moves through both as through one.
std::vector<Axis> merged_axes(std::span<const View> inputs, const Shape& out) {
  std::vector<Axis> axes;
  int64_t stride[3] = {1, 1, 1};
  for (size_t back = 1; back <= out.size(); ++back) {
    Axis axis{out[out.size() - back], {}};
    for (size_t k = 0; k < inputs.size(); ++k) {
      const Shape& in = inputs[k].shape();
      int64_t extent = back <= in.size() ? in[in.size() - back] : 1;
      axis.step[k] = extent == 1 ? 0 : stride[k];
      stride[k] *= extent;
    }
    if (axis.extent == 1) continue;
    bool merge = !axes.empty();
    for (size_t k = 0; merge && k < inputs.size(); ++k)
      merge = axis.step[k] == axes.back().step[k] * axes.back().extent;
    if (merge)
      axes.back().extent *= axis.extent;
    else
      axes.push_back(axis);
  }
  if (axes.empty()) axes.push_back({1, {}});
  return axes;
}

}  // namespace

void for_each_run(std::span<const View> inputs, const MutView& output, RunFn fn) {
  if (elements(output.shape()) == 0) return;
  std::vector<Axis> axes = merged_axes(inputs, output.shape());
  std::vector<int64_t> at(axes.size());
  size_t in_bytes[3] = {}, out_bytes = size_of(output.type->dtype);
  Run run{{}, {}, output.data, axes[0].extent};
  for (size_t k = 0; k < inputs.size(); ++k) {
    in_bytes[k] = size_of(inputs[k].type->dtype);
    run.src[k] = inputs[k].data;
    run.step[k] = axes[0].step[k];
  }
  auto move = [&](size_t k, int64_t by) { run.src[k] = run.in<char>(static_cast<int>(k)) + by * int64_t(in_bytes[k]); };
  while (true) {
    fn(run);
    run.dst = run.out<char>() + run.n * int64_t(out_bytes);
    size_t a = 1;
    for (; a < axes.size(); ++a) {
      for (size_t k = 0; k < inputs.size(); ++k) move(k, axes[a].step[k]);
      if (++at[a] < axes[a].extent) break;
      for (size_t k = 0; k < inputs.size(); ++k) move(k, -axes[a].step[k] * axes[a].extent);
      at[a] = 0;
    }
    if (a == axes.size()) return;
  }
}

}  // namespace quadlane
