#include "engine/compile/depthwise_f32.h"

#include <algorithm>

#include "engine/run/oconv_step.h"
#include "jit/kernels/depthwise_f32.h"

namespace quadlane::compile {
namespace {

constexpr int64_t kBlockPlanes = 16;  // of a call: enough to hide its beginning, few enough to share among threads

DepthwiseF32Spec spec_of(Isa isa, const ConvOperands& op, const ConvAttrs& attrs) {
  DepthwiseF32Spec s;
  s.isa = isa;
  s.kernel_y = static_cast<int>(attrs.kernel[0]), s.kernel_x = static_cast<int>(attrs.kernel[1]);
  s.dilation_y = static_cast<int>(attrs.dilations[0]), s.dilation_x = static_cast<int>(attrs.dilations[1]);
  s.step_y = static_cast<int>(attrs.strides[0]), s.step_x = static_cast<int>(attrs.strides[1]);
  s.act = activation_of(op.attrs);
  return s;
}

// The plane of x that holds a channel.
std::optional<uint32_t> plane_of(const PlanarValue& x, int64_t channel) {
  for (uint32_t p = 0; p < x.planes.size(); ++p)
    if (x.planes[p].channels[0] == channel) return p;
  return std::nullopt;
}

struct BuiltBlock {
  size_t weights;
  std::vector<uint32_t> sources;  // planes of x, one for each result
};

}  // namespace

bool is_depthwise_f32(const Lowering& l, const ConvOperands& op, const ConvAttrs& attrs) {
  if (op.transposed || op.is_u8() || op.dst != DType::f32 || op.input_scale || op.lo || op.hi || op.slope) return false;
  return op.group == op.inputs && op.group > 1 && check(spec_of(l.isa, op, attrs)).ok();
}

Status emit_depthwise_f32(Lowering& l, Emitter& e, run::StepInfo info, const ConvOperands& op, const ConvAttrs& attrs,
                          const std::vector<ConvSection>& sections, const PlanarValue& x, const PlanarValue& out,
                          const PlanarValue* residual) {
  const Geometry &src = e.geometry(x), &dst = e.geometry(out);
  DepthwiseF32Spec spec = spec_of(l.isa, op, attrs);
  spec.w = dst.w;
  spec.src_row = int64_t{src.pitch} * kPixelBytes, spec.dst_row = int64_t{dst.pitch} * kPixelBytes;
  spec.origin = -(attrs.pad_begin(0) * spec.src_row + attrs.pad_begin(1) * kPixelBytes);
  spec.residual = residual != nullptr;
  const int rows = spec.rows = depthwise_f32_rows(spec, dst.h);
  info.kernel = describe(spec);
  std::vector<KernelId> kernels;  // of whole tiles, and of the last one
  for (int of_tile : {rows, dst.h % rows}) {
    if (of_tile == 0) continue;
    spec.rows = of_tile;
    QL_TRY(KernelId id, e.kernel(describe(spec), [&] { return generate(spec); }));
    kernels.push_back(id);
  }

  std::vector<BuiltBlock> blocks;
  const int64_t multiplier = op.outputs / op.inputs;
  for (int64_t first = 0; first < op.outputs; first += kBlockPlanes) {
    const int64_t count = std::min(kBlockPlanes, op.outputs - first);
    BuiltBlock block;
    for (int64_t o = first; o < first + count; ++o) {
      const auto plane = plane_of(x, o / multiplier);
      if (!plane) return make_error(Code::internal, "no plane holds channel ", o / multiplier);
      block.sources.push_back(*plane);
    }
    const std::vector<float> packed = pack_depthwise_f32(
        spec, count, [&](int64_t p) { return static_cast<float>(folded_bias(op, first + p, sections)); },
        [&](int64_t p, int i, int j) {
          return static_cast<float>(op.weight(first + p, (first + p) / multiplier, i, j));
        });
    info.bytes_read += static_cast<int64_t>(packed.size() * sizeof(float));
    block.weights = e.constant(packed);
    blocks.push_back(std::move(block));
  }
  const bool halves = has_avx512(l.isa) && dst.w <= kVectorPixels / 2;
  const int lanes = halves ? kVectorPixels / 2 : vector_lanes(l.isa);
  info.gmac_lanes = 1e-9 * static_cast<double>(int64_t{dst.n} * dst.h * ((dst.w + lanes - 1) / lanes * lanes)) *
                    static_cast<double>(op.outputs * attrs.kernel[0] * attrs.kernel[1]);
  info.bytes_written = e.pixel_bytes(out);
  std::vector<BufferId> touched = buffers_of({&out});
  for (const PlanarValue* value : {&x, residual}) {
    if (!value) continue;
    info.bytes_read += e.pixel_bytes(*value);
    for (BufferId id : buffers_of({value})) touched.push_back(id);
  }
  std::optional<PlanarValue> residual_planes;
  if (residual) residual_planes = *residual;
  e.step(std::move(info), std::move(touched), [=, &l, epilogue = epilogue_of(op)](const Addresses& a) {
    auto s = std::make_unique<run::OconvStep>();
    s->src = l.layouts.geometry(x.layout), s->dst = l.layouts.geometry(out.layout);
    s->dst_planes = a.planes(out);
    s->dst_pads = a.pads(out);
    if (residual_planes) s->residual_planes = a.planes(*residual_planes);
    s->epilogue = epilogue;
    s->stride_y = static_cast<int>(attrs.strides[0]), s->stride_x = static_cast<int>(attrs.strides[1]);
    s->tile_rows = rows;
    s->first_columns = {0};
    s->kinds.assign(static_cast<size_t>((s->dst.h + rows - 1) / rows), 0);
    if (kernels.size() > 1) s->kinds.back() = 1;
    s->band_rows = static_cast<int64_t>(s->kinds.size());  // every plane reads one of its own
    for (const BuiltBlock& built : blocks) {
      run::OconvStep::Block block{};
      block.weights = built.weights;
      block.first_src = static_cast<uint32_t>(s->src_planes.size());
      block.first_dst = static_cast<uint32_t>(s->src_planes.size());  // one source for each result
      block.section_planes[0] = static_cast<int64_t>(built.sources.size());
      for (uint32_t plane : built.sources) s->src_planes.push_back(a.plane(x.planes[plane]));
      for (KernelId id : kernels) block.kernels.push_back(a.kernel(id));
      s->blocks.push_back(std::move(block));
    }
    return s;
  });
  return {};
}

}  // namespace quadlane::compile
