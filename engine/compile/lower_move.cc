// Operators that move pixels of planes: crops, paddings, channel permutations, depth to space and back, and transposes
// at the edges of a planar part of the graph.
#include <algorithm>
#include <cstring>

#include "engine/compile/elementwise.h"
#include "engine/compile/moves.h"
#include "engine/compile/phases.h"
#include "jit/kernels/phases.h"

namespace quadlane::compile {
namespace {

// The same table for every plane.
void move_planes(Lowering& l, const Node& node, const PlanarValue& x, std::vector<int32_t> rows,
                 std::vector<int32_t> columns, const char* why, uint32_t fill = 0) {
  const Shape& shape = l.shape(node.output());
  PlanarValue out = l.layouts.fresh_like(x, l.layouts.add(shape[0], shape[2], shape[3]));
  l.define(node.output(), out);
  Moves moves{
      {run::make_move_table(std::move(rows), std::move(columns))}, std::vector<uint32_t>(x.planes.size(), 0), fill};
  emit_moves(l, make_info(node), x, out, std::move(moves), why);
}

std::vector<int32_t> steps_from(int64_t begin, int64_t step, int64_t count) {
  std::vector<int32_t> list;
  for (int64_t i = 0; i < count; ++i) list.push_back(static_cast<int32_t>(begin + i * step));
  return list;
}

// Source index of each padded index, as ONNX Pad has it; -1: the constant.
std::vector<int32_t> padded(const std::string& mode, int64_t begin, int64_t extent, int64_t padded_extent) {
  std::vector<int32_t> list;
  for (int64_t i = 0; i < padded_extent; ++i) {
    int64_t at = i - begin;
    if (mode == "constant") {
      at = at < 0 || at >= extent ? run::kFill : at;
    } else if (mode == "edge") {
      at = std::clamp<int64_t>(at, 0, extent - 1);
    } else {  // reflect, again and again where the padding is wider than the image
      const int64_t period = std::max<int64_t>(1, 2 * (extent - 1));
      at = (at % period + period) % period;
      at = std::min(at, extent == 1 ? 0 : period - at);
    }
    list.push_back(static_cast<int32_t>(at));
  }
  return list;
}

// The planes of channel `from` of x, one for each entry: f32 only.
std::optional<PlanarValue> pick_channels(const PlanarValue& x, const std::vector<int64_t>& from) {
  PlanarValue result{x.dtype, x.layout, {}};
  for (size_t to = 0; to < from.size(); ++to) {
    auto found =
        std::find_if(x.planes.begin(), x.planes.end(), [&](const PlaneRef& p) { return p.channels[0] == from[to]; });
    if (found == x.planes.end()) return std::nullopt;
    result.planes.push_back(*found);
    result.planes.back().channels = {static_cast<int32_t>(to), -1, -1, -1};
  }
  return result;
}

bool is_permutation(const Node& node, std::initializer_list<int64_t> perm) {
  return node.attrs.ints_or("perm", {}) == std::vector<int64_t>(perm);
}

void emit_channels_last(Lowering& l, const Node& node, PlanarValue planes, DenseRef dense, bool to_planes) {
  run::StepInfo info = make_info(node);
  info.kernel = "copy rows";
  info.note = to_planes ? "channels-last becomes planes" : "planes become channels-last";
  const int64_t channels = l.shape(to_planes ? node.output() : node.input(0))[1];
  l.emit([=, &l](Emitter& e) -> Status {
    std::vector<BufferId> touched = buffers_of({&planes});
    if (dense.place == Place::arena) touched.push_back(BufferId(dense.index));
    run::StepInfo step = info;
    step.bytes_read = step.bytes_written = static_cast<int64_t>(dense.type.bytes());
    e.step(std::move(step), std::move(touched), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::ChannelsLastStep>();
      s->to_planes = to_planes;
      s->dense = a.dense(dense);
      s->element_bytes = planes.dtype == DType::f32 ? 4 : 1;
      s->planes = {l.layouts.geometry(planes.layout), a.planes(planes), a.pads(planes)};
      s->channels.resize(static_cast<size_t>(channels));
      for (const PlaneRef& p : planes.planes)
        for (int lane = 0; lane < planes.lanes(); ++lane)
          if (const int32_t c = p.channels[static_cast<size_t>(lane)]; c >= 0)
            s->channels[static_cast<size_t>(c)] = {a.plane(p), lane};
      return s;
    });
    return {};
  });
}

}  // namespace

// A crop of rows and columns. Those of channels alone are lower_slice's.
Result<Verdict> lower_crop(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found) return declined("the input has no planes");
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  const Tensor *starts = l.graph.constant(node.input(1)), *axes = l.graph.constant(node.input(3)),
               *steps = l.graph.constant(node.input(4));
  if (!starts || (node.input(3) != kNoValue && !axes) || (node.input(4) != kNoValue && !steps))
    return declined("starts, axes or steps are not constants");
  if (out[0] != in[0] || out[1] != in[1] || !can_be_planar(l.graph.at(node.output()).type))
    return declined("slices images or channels beside pixels");
  int64_t begin[4] = {}, step[4] = {1, 1, 1, 1};
  for (int64_t i = 0; i < starts->count(); ++i) {
    int64_t axis = axes ? element_as_int(axes->view(), i) : i;
    if (axis < 0) axis += 4;
    if (axis < 0 || axis > 3) return declined("an axis out of range");
    step[axis] = steps ? element_as_int(steps->view(), i) : 1;
    if (step[axis] < 1) return declined("a step backwards");
    int64_t start = element_as_int(starts->view(), i);
    begin[axis] = std::clamp<int64_t>(start < 0 ? start + in[axis] : start, 0, in[axis]);
  }
  if (step[0] != 1 || step[1] != 1) return declined("a step along images or channels");
  move_planes(l, node, PlanarValue(*found), steps_from(begin[2], step[2], out[2]),
              steps_from(begin[3], step[3], out[3]), "planes hold whole images: fewer rows and columns are a copy");
  return Verdict{};
}

Result<Verdict> lower_pad(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found) return declined("the input has no planes");
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  const Tensor *pads = l.graph.constant(node.input(1)), *axes = l.graph.constant(node.input(3));
  const std::string mode = node.attrs.string_or("mode", "constant");
  if (!pads || (node.input(3) != kNoValue && !axes)) return declined("pads or axes are not constants");
  if (mode != "constant" && mode != "edge" && mode != "reflect") return declined(cat("mode ", mode));
  if (out[0] != in[0] || out[1] != in[1] || !can_be_planar(l.graph.at(node.output()).type))
    return declined("pads images or channels");
  int64_t begin[4] = {};
  const int64_t count = axes ? axes->count() : 4;
  if (pads->count() != 2 * count) return declined("pads do not fit the axes");
  for (int64_t i = 0; i < count; ++i) {
    int64_t axis = axes ? element_as_int(axes->view(), i) : i;
    if (axis < 0) axis += 4;
    if (axis < 0 || axis > 3) return declined("an axis out of range");
    begin[axis] = element_as_int(pads->view(), i);
    if ((axis < 2 && begin[axis] != 0)) return declined("pads images or channels");
  }
  uint32_t fill = 0;
  if (node.input(2) != kNoValue) {
    const Tensor* value = l.graph.constant(node.input(2));
    if (!value || value->count() != 1) return declined("the padding value is not a constant");
    if (found->dtype == DType::f32)
      std::memcpy(&fill, value->data(), 4);
    else
      fill = 0x01010101u * value->as<uint8_t>()[0];
  }
  move_planes(l, node, PlanarValue(*found), padded(mode, begin[2], in[2], out[2]),
              padded(mode, begin[3], in[3], out[3]), "no operator behind takes these pads as its own", fill);
  return Verdict{};
}

// Channels in another order: the same planes under other names.
Result<Verdict> lower_gather_channels(Lowering& l, const Node& node) {
  const PlanarValue* x = l.find_planar(node.input(0));
  const Tensor* indices = l.graph.constant(node.input(1));
  if (!x || !indices || indices->shape().size() != 1) return declined("no planes, or no constant list of indices");
  const int64_t axis = node.attrs.int_or("axis", 0), channels = l.shape(node.input(0))[1];
  if (axis != 1 && axis != -3) return declined(cat("axis ", axis, ", channels of planes are axis 1"));
  std::vector<std::vector<int32_t>> wanted(static_cast<size_t>(channels));  // where each channel goes
  for (int64_t i = 0; i < indices->count(); ++i) {
    int64_t c = element_as_int(indices->view(), i);
    if (c < 0) c += channels;
    if (c < 0 || c >= channels) return declined("an index out of range");
    wanted[static_cast<size_t>(c)].push_back(static_cast<int32_t>(i));
  }
  PlanarValue out{x->dtype, x->layout, {}};
  for (const PlaneRef& plane : x->planes)
    for (size_t copy = 0, more = 1; more; ++copy) {  // a channel that is wanted twice needs its plane twice
      PlaneRef renamed{plane.buffer, plane.index, {-1, -1, -1, -1}};
      bool any = false;
      more = 0;
      for (size_t lane = 0; lane < 4; ++lane) {
        if (plane.channels[lane] < 0) continue;
        const auto& places = wanted[static_cast<size_t>(plane.channels[lane])];
        if (copy < places.size()) renamed.channels[lane] = places[copy], any = true;
        if (copy + 1 < places.size()) more = 1;
      }
      if (any) out.planes.push_back(renamed);
    }
  l.define(node.output(), std::move(out));
  return Verdict{};
}

Result<Verdict> lower_depth_to_space(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found || found->dtype != DType::f32) return declined("the input has no f32 planes");
  const Shape& out_shape = l.shape(node.output());
  const int64_t b = node.attrs.int_or("blocksize", 1), channels = out_shape[1];
  if (b < 1 || b > kMaxPhases) return declined(cat("blocks of ", b, "x", b));
  const bool inside = node.attrs.string_or("mode", "DCR") == "CRD";
  std::vector<PlanarValue> phases;
  for (int64_t phase = 0; phase < b * b; ++phase) {
    std::vector<int64_t> from;
    for (int64_t c = 0; c < channels; ++c) from.push_back(inside ? c * b * b + phase : phase * channels + c);
    auto planes = pick_channels(*found, from);
    if (!planes) return declined("a channel has no plane");
    phases.push_back(*std::move(planes));
  }
  PlanarValue out = l.layouts.fresh(DType::f32, l.layouts.add(out_shape[0], out_shape[2], out_shape[3]), channels);
  l.define(node.output(), out);
  emit_interleave(l, node, phases, out, b, b);
  return Verdict{};
}

// Every phase is the planes of x under other names, taken b pixels apart.
Result<Verdict> lower_space_to_depth(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found) return declined("the input has no planes");
  const PlanarValue x = *found;
  const Shape &in = l.shape(node.input(0)), &shape = l.shape(node.output());
  const int64_t b = node.attrs.int_or("blocksize", 1);
  const LayoutId layout = l.layouts.add(shape[0], shape[2], shape[3]);
  const uint32_t planes = static_cast<uint32_t>(x.planes.size());
  if (b < 1 || b * b * planes > (1 << 20)) return declined(cat("blocks of ", b, "x", b));
  BufferId buffer = l.layouts.add_buffer(x.dtype, layout, static_cast<size_t>(b * b) * planes);
  PlanarValue out{x.dtype, layout, {}}, from{x.dtype, x.layout, {}};
  Moves moves;
  for (int64_t phase = 0; phase < b * b; ++phase) {
    PlanarValue part{x.dtype, layout, x.planes};
    for (uint32_t i = 0; i < planes; ++i)
      part.planes[i] = {buffer, static_cast<uint32_t>(phase) * planes + i, x.planes[i].channels};
    append_channels(out, part, phase * in[1]);
    from.planes.insert(from.planes.end(), x.planes.begin(), x.planes.end());
    moves.tables.push_back(
        run::make_move_table(steps_from(phase / b, b, shape[2]), steps_from(phase % b, b, shape[3])));
    moves.table.insert(moves.table.end(), planes, static_cast<uint32_t>(phase));
  }
  l.define(node.output(), out);
  emit_moves(l, make_info(node), from, out, std::move(moves), "pixels become channels");
  return Verdict{};
}

// NCHW -> NHWC where the input has planes, NHWC -> NCHW where somebody wants planes.
Result<Verdict> lower_edge_transpose(Lowering& l, const Node& node) {
  ValueId x = node.input(0), y = node.output();
  if (is_permutation(node, {0, 2, 3, 1})) {
    const PlanarValue* found = l.find_planar(x);
    if (!found) return declined("the input has no planes");
    const PlanarValue planes = *found;
    emit_channels_last(l, node, planes, l.define_dense(y), false);
    return Verdict{};
  }
  if (!is_permutation(node, {0, 3, 1, 2})) return declined("not between NCHW and NHWC");
  if (l.find_planar(x) || !can_be_planar(l.graph.at(y).type) || !planes_wanted(l, y))
    return declined("nobody wants planes");
  const Shape& shape = l.shape(y);
  QL_TRY(DenseRef dense, l.dense(x));
  PlanarValue planes = l.layouts.fresh(l.dtype(y), l.layouts.add(shape[0], shape[2], shape[3]), shape[1]);
  l.define(y, planes);
  emit_channels_last(l, node, planes, dense, true);
  return Verdict{};
}

}  // namespace quadlane::compile
