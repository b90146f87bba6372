#include "engine/compile/fold_window.h"

#include <bit>
#include <map>

#include "engine/compile/moves.h"

namespace quadlane::compile {
namespace {

// A large kernel at a smaller stride copies a pixel for every tap that reads it.
constexpr int64_t kMostCopies = 16;
constexpr int64_t kMostPlanes = int64_t{1} << 16;

// Where tap `i` of an axis reads, for each pixel of the result.
std::vector<int32_t> places(const ConvAttrs& a, size_t axis, int64_t i, int64_t extent) {
  std::vector<int32_t> list;
  for (int64_t o = 0; o < a.out[axis]; ++o) {
    const int64_t at = o * a.strides[axis] + i * a.dilations[axis] - a.pad_begin(axis);
    list.push_back(at < 0 || at >= extent ? run::kFill : static_cast<int32_t>(at));
  }
  return list;
}

bool reads_padding(const ConvAttrs& a, const Shape& in) {
  for (size_t axis = 0; axis < 2; ++axis)
    if (a.pad_begin(axis) > 0 || (a.out[axis] - 1) * a.strides[axis] + a.reach(axis) > a.pad_begin(axis) + in[axis + 2])
      return true;
  return false;
}

// What the plane's pixels hold outside of x.
uint32_t zero_word(const ConvOperands& op, const PlaneRef& plane) {
  if (!op.is_u8()) return std::bit_cast<uint32_t>(static_cast<float>(op.z_at(plane.channels[0])));
  uint32_t word = 0;
  for (size_t lane = 0; lane < 4; ++lane)
    if (const int32_t c = plane.channels[lane]; c >= 0) word |= static_cast<uint32_t>(op.z_at(c)) << (8 * lane);
  return word;
}

// The planes of x that are padded alike, once for each tap.
PlanarValue unfold(Lowering& l, const std::string& name, const ConvAttrs& a, const PlanarValue& x, const Shape& in,
                   LayoutId layout, uint32_t fill) {
  const int64_t taps = a.kernel[0] * a.kernel[1];
  PlanarValue from{x.dtype, x.layout, {}}, to{x.dtype, layout, {}};
  const BufferId buffer = l.layouts.add_buffer(x.dtype, layout, x.planes.size() * static_cast<size_t>(taps));
  Moves moves{{}, {}, fill};
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (const PlaneRef& plane : x.planes) {
      PlaneRef moved{buffer, static_cast<uint32_t>(to.planes.size()), plane.channels};
      for (int32_t& c : moved.channels)
        if (c >= 0) c = static_cast<int32_t>(c * taps + tap);
      from.planes.push_back(plane);
      to.planes.push_back(moved);
    }
    moves.tables.push_back(
        run::make_move_table(places(a, 0, tap / a.kernel[1], in[2]), places(a, 1, tap % a.kernel[1], in[3])));
    moves.table.insert(moves.table.end(), x.planes.size(), static_cast<uint32_t>(tap));
  }
  run::StepInfo info;
  info.name = name + ".taps";
  info.op = "fold window";
  emit_moves(l, std::move(info), from, to, std::move(moves), "a large stride: the pixels of a window become channels");
  return to;
}

}  // namespace

Status window_refusal(const ConvOperands& op, const ConvAttrs& a, const PlanarValue& x, const Shape& in) {
  const int64_t taps = a.kernel[0] * a.kernel[1];
  if (op.input_scale && reads_padding(a, in)) return unsupported("its padding is found out at run time");
  if (taps > kMostPlanes / static_cast<int64_t>(x.planes.size()))
    return unsupported(taps, " taps on ", x.planes.size(), " planes, ", kMostPlanes, " are made at most");
  if (taps * a.out[0] * a.out[1] > kMostCopies * in[2] * in[3])
    return unsupported(taps, " taps at a stride of ", a.strides[0], "x", a.strides[1], " copy a pixel more than ",
                       kMostCopies, " times");
  return {};
}

FoldedConv fold_window(Lowering& l, const std::string& name, const ConvOperands& op, const ConvAttrs& a,
                       const PlanarValue& x, const Shape& in, LayoutId layout) {
  const int64_t taps = a.kernel[0] * a.kernel[1];
  auto tensors = std::make_shared<std::deque<Tensor>>();
  FoldedConv folded{op, {}, {{0, 0, {{0, 0, 0, 0}}}}, tensors};
  folded.op.inputs = op.inputs * taps;
  folded.op.w = &tensors->emplace_back(op.w->reshaped({op.w->shape()[0], op.w->shape()[1] * taps, 1, 1}));
  folded.op.z = repeat_channels(op.z, taps, *tensors);
  folded.op.lo = repeat_channels(op.lo, taps, *tensors);
  folded.op.hi = repeat_channels(op.hi, taps, *tensors);
  std::map<uint32_t, PlanarValue> padded_alike;
  for (const PlaneRef& plane : x.planes)
    padded_alike.try_emplace(reads_padding(a, in) ? zero_word(op, plane) : 0, PlanarValue{x.dtype, x.layout, {}})
        .first->second.planes.push_back(plane);
  PlanarValue& taken = folded.phases.emplace_back(PlanarValue{x.dtype, layout, {}});
  for (const auto& [fill, planes] : padded_alike)
    for (const PlaneRef& plane : unfold(l, name, a, planes, in, layout, fill).planes) taken.planes.push_back(plane);
  return folded;
}

}  // namespace quadlane::compile
