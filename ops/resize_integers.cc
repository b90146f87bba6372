// ONNX leaves open how a linear Resize of integers rounds; exported models were checked with ONNX Runtime, so this is
// what it does, to the bit. A pixel is the sum over its 2, 4 or 8 neighbours, width changing fastest, then height:
//
//   y = trunc(sum (wx * wy * wz) * x)    in f32, one product and one sum after the other
//
// where the last pixel of an axis, which has no neighbour, counts twice by a half. u8 and s8 with the channels last
// have weights in 1024ths instead, cut off, and y = trunc(sum wx * wy * x / 2^20).
#include "ops/resize_integers.h"

#include <cmath>

#include "ops/dispatch.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

// The two source pixels of an output pixel.
template <class Weight>
struct Neighbours {
  int64_t at[2];
  Weight weight[2];
};

constexpr float kUnit = 1024;

template <class Weight>
std::vector<Neighbours<Weight>> neighbours_along(const ResizeAxis& axis, CoordinateMode mode) {
  std::vector<Neighbours<Weight>> all;
  for (int64_t o = 0; o < axis.out; ++o) {
    const LinearTap tap = linear_tap(axis, source_coordinate(axis, mode, o));
    Neighbours<Weight> n{{tap.first, tap.second}, {1 - Weight(tap.fraction), Weight(tap.fraction)}};
    if constexpr (std::is_integral_v<Weight>) {
      const auto far = static_cast<Weight>(tap.fraction * kUnit);
      n = {{tap.first, tap.second}, {static_cast<Weight>(kUnit) - far, far}};
    } else if (tap.first == tap.second) {
      n.weight[0] = n.weight[1] = 0.5f;
    }
    all.push_back(n);
  }
  return all;
}

// The axes that are resized, from `first` on, in front of `inner` elements that stay together.
struct Block {
  size_t first = 0, count = 0;
  int64_t inner = 1;
};

std::optional<Block> block_of(std::span<const ResizeAxis> axes) {
  const size_t rank = axes.size();
  auto stays = [&](size_t a) { return axes[a].in == axes[a].out && axes[a].scale == 1; };
  if (rank == 2 || rank == 3) return Block{0, rank, 1};
  if ((rank == 4 || rank == 5) && stays(0) && stays(1)) return Block{2, rank - 2, 1};
  if (rank == 4 && stays(0) && stays(3)) return Block{1, 2, axes[3].in};
  return {};
}

// f(source element, weight) for each neighbour of the pixel at `o`, in the order of the sum.
template <class Weight, class F>
void each_neighbour(std::span<const std::vector<Neighbours<Weight>>> along, const Shape& o, const Shape& in, F f) {
  const size_t rank = along.size();
  for (size_t corner = 0; corner < size_t{1} << rank; ++corner) {
    int64_t source = 0;
    for (size_t a = 0; a < rank; ++a)
      source = source * in[a] + along[a][static_cast<size_t>(o[a])].at[corner >> (rank - 1 - a) & 1];
    Weight weight = 1;
    for (size_t a = rank; a-- > 0;) weight *= along[a][static_cast<size_t>(o[a])].weight[corner >> (rank - 1 - a) & 1];
    f(source, weight);
  }
}

template <class T, class Weight>
void resize(const T* x, std::span<const ResizeAxis> axes, const Block& block, CoordinateMode mode, T* y,
            int64_t count) {
  std::vector<std::vector<Neighbours<Weight>>> along;
  Shape in, out;
  int64_t outer = 1;
  for (size_t a = 0; a < block.first; ++a) outer *= axes[a].in;
  for (const ResizeAxis& axis : axes.subspan(block.first, block.count)) {
    along.push_back(neighbours_along<Weight>(axis, mode));
    in.push_back(axis.in);
    out.push_back(axis.out);
  }
  if (count == 0) return;
  std::vector<Weight> sums(static_cast<size_t>(block.inner));
  for (int64_t image = 0; image < outer; ++image, x += elements(in) * block.inner) {
    Shape o(block.count);
    for (int64_t pixel = elements(out); pixel > 0; --pixel) {
      std::fill(sums.begin(), sums.end(), Weight{});
      each_neighbour<Weight>(along, o, in, [&](int64_t source, Weight weight) {
        for (size_t i = 0; i < sums.size(); ++i)
          sums[i] += weight * static_cast<Weight>(x[source * block.inner + static_cast<int64_t>(i)]);
      });
      for (Weight sum : sums) {
        if constexpr (std::is_integral_v<Weight>)
          *y++ = static_cast<T>(sum / (1 << 20));
        else
          *y++ = convert<T>(sum);
      }
      for (size_t a = o.size(); a-- > 0 && ++o[a] == out[a];) o[a] = 0;
    }
  }
}

}  // namespace

Status expect_resizable_integers(const TensorType& x, std::span<const ResizeAxis> axes, const ResizeOptions& options) {
  const bool known = x.dtype == DType::u8 || x.dtype == DType::s8 || x.dtype == DType::s32;
  if (!known || options.mode != ResizeMode::linear)
    return unsupported("input 0 is ", to_string(x), ", only u8, s8, s32 and f32 are interpolated linearly, and f32 by ",
                       "cubics");
  if (options.antialias || options.coordinates == CoordinateMode::tf_crop_and_resize)
    return unsupported("input 0 is ", to_string(x), ", antialiasing and cropping are for f32 only");
  if (!block_of(axes))
    return unsupported("input 0 is ", to_string(x), ", integers are interpolated along 2 or 3 neighbouring axes only");
  return {};
}

void resize_integers(const View& x, std::span<const ResizeAxis> axes, const ResizeOptions& options, const MutView& y) {
  const Block block = *block_of(axes);
  const bool channels_last = axes.size() == 4 && block.first == 1;
  const int64_t count = y.type->count();
  auto run = [&]<class T>(T) {
    if (channels_last && sizeof(T) == 1)
      resize<T, int32_t>(x.as<T>(), axes, block, options.coordinates, y.as<T>(), count);
    else
      resize<T, float>(x.as<T>(), axes, block, options.coordinates, y.as<T>(), count);
  };
  if (x.type->dtype == DType::u8) return run(uint8_t{});
  if (x.type->dtype == DType::s8) return run(int8_t{});
  run(int32_t{});
}

}  // namespace quadlane
