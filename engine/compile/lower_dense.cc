// Operators on dense tensors by their scalar reference, and the copies between dense tensors and planes.
#include "engine/compile/lowering.h"
#include "engine/reference/reference_step.h"
#include "engine/run/dense_steps.h"

namespace quadlane::compile {
namespace {

std::vector<run::PlaneLanes> plane_lanes(const PlanarValue& value, const Addresses& addresses, const Layouts& layouts) {
  std::vector<run::PlaneLanes> lanes;
  for (const PlaneRef& p : value.planes) {
    run::PlaneLanes entry{addresses.plane(p), {}, layouts.pad_bits(p.buffer, p.index)};
    std::copy(p.channels.begin(), p.channels.end(), entry.channels);
    lanes.push_back(entry);
  }
  return lanes;
}

std::vector<BufferId> touched_by(const PlanarValue& planes, const DenseRef& dense) {
  std::vector<BufferId> touched = buffers_of({&planes});
  if (dense.place == Place::arena) touched.push_back(BufferId(dense.index));
  return touched;
}

}  // namespace

Emit emit_pack(Lowering& l, const std::string& name, DenseRef from, PlanarValue to) {
  return [&l, name, from, to](Emitter& e) -> Status {
    run::StepInfo info;
    info.name = name;
    info.op = "pack";
    info.kernel = "copy rows";
    info.note = "a dense tensor becomes planes";
    info.bytes_read = static_cast<int64_t>(from.type.bytes());
    info.bytes_written = e.pixel_bytes(to);
    e.step(std::move(info), touched_by(to, from), [&l, from, to](const Addresses& a) {
      return std::make_unique<run::PackStep>(a.dense(from), from.type.dtype, from.type.shape[1],
                                             l.layouts.geometry(to.layout), plane_lanes(to, a, l.layouts));
    });
    return {};
  };
}

Emit emit_unpack(Lowering& l, const std::string& name, PlanarValue from, DenseRef to) {
  return [&l, name, from, to](Emitter& e) -> Status {
    run::StepInfo info;
    info.name = name;
    info.op = "unpack";
    info.kernel = "copy rows";
    info.note = "planes become a dense tensor";
    info.bytes_read = e.pixel_bytes(from);
    info.bytes_written = static_cast<int64_t>(to.type.bytes());
    e.step(std::move(info), touched_by(from, to), [&l, from, to](const Addresses& a) {
      const Geometry& g = l.layouts.geometry(from.layout);
      // Not shape[1]: a reduction may have dropped its axis.
      const int64_t channels = to.type.count() / (int64_t{g.n} * g.h * g.w);
      return std::make_unique<run::UnpackStep>(plane_lanes(from, a, l.layouts), g, to.type.dtype, channels,
                                               a.dense(to));
    });
    return {};
  };
}

Result<std::optional<PlanarValue>> planes_like(Lowering& l, ValueId id, const PlanarValue& like) {
  QL_TRY(auto planes, l.planar(id));
  if (!planes || same_channels(*planes, like)) return planes;
  QL_TRY(DenseRef from, l.dense(id));
  PlanarValue copy = l.layouts.fresh_like(like, l.layouts.add_like(planes->layout));
  l.emit(emit_pack(l, l.graph.at(id).name, from, copy));
  return std::optional(copy);
}

Status lower_reference(Lowering& l, const Node& node, const std::string& why) {
  const OpDef* def = l.ops.find(node.op);
  if (!def) return unsupported("operator '", node.op, "' is not supported");
  std::vector<DenseRef> in(node.inputs.size()), out;
  std::vector<bool> present(node.inputs.size(), false);
  std::vector<TensorType> in_types(node.inputs.size()), out_types;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    QL_TRY(in[i], l.dense(node.inputs[i]));
    in_types[i] = in[i].type;
    present[i] = true;
  }
  for (ValueId id : node.outputs) {
    out.push_back(l.define_dense(id));
    out_types.push_back(out.back().type);
  }
  run::StepInfo info = make_info(node);
  info.kernel = "reference";
  info.reference = true;
  info.note = why;
  for (size_t i = 0; i < in.size(); ++i)
    if (present[i]) info.bytes_read += static_cast<int64_t>(in[i].type.bytes());
  for (const TensorType& t : out_types) info.bytes_written += static_cast<int64_t>(t.bytes());
  l.emit([=, &node](Emitter& e) -> Status {
    std::vector<BufferId> touched;
    for (size_t i = 0; i < in.size(); ++i)
      if (present[i] && in[i].place == Place::arena) touched.push_back(BufferId(in[i].index));
    for (const DenseRef& ref : out)
      if (ref.place == Place::arena) touched.push_back(BufferId(ref.index));
    e.step(info, touched, [=, node = node](const Addresses& a) {
      std::vector<ReferenceStep::Operand> in_at, out_at;
      for (size_t i = 0; i < in.size(); ++i)
        in_at.push_back({in_types[i], present[i] ? a.dense(in[i]) : DenseAddress{}, present[i]});
      for (size_t i = 0; i < out.size(); ++i) out_at.push_back({out_types[i], a.dense(out[i]), true});
      return std::make_unique<ReferenceStep>(*def, node, in_at, out_at);
    });
    return {};
  });
  return {};
}

}  // namespace quadlane::compile
