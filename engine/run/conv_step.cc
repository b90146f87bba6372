#include "engine/run/conv_step.h"

#include <algorithm>

namespace quadlane::run {

void ConvStep::scale_input(const RunContext& ctx, const Block& block, int32_t* bias, float* mult) const noexcept {
  const float scale = *static_cast<const float*>(input_scale->scale.at(ctx));
  const uint32_t zero = *static_cast<const uint8_t*>(input_scale->zero.at(ctx));
  auto* from_bias = reinterpret_cast<const uint32_t*>(ctx.weights + block.bias);
  auto* from_mult = reinterpret_cast<const float*>(ctx.weights + block.mult);
  auto* sums = reinterpret_cast<const uint32_t*>(ctx.weights + block.weight_sums);
  for (int o = 0; o < block.outputs; ++o) {
    bias[o] = static_cast<int32_t>(from_bias[o] - zero * sums[o]);  // modulo 2^32
    mult[o] = from_mult[o] * scale;
  }
}

void ConvStep::run_band(const RunContext& ctx, int image, const Block& block, int64_t first,
                        int64_t end) const noexcept {
  constexpr int64_t kVectorBytes = kVectorPixels * kPixelBytes;
  ConvArgs args;
  args.src_planes = src_planes.data() + block.first_src;
  args.weights = ctx.weights + block.weights;
  args.bias = ctx.weights + block.bias;
  args.mult = reinterpret_cast<const float*>(ctx.weights + block.mult);
  args.shift = reinterpret_cast<const float*>(ctx.weights + block.shift);
  int32_t bias[kMaxOutputs];
  float mult[kMaxOutputs];
  if (input_scale) {
    scale_input(ctx, block, bias, mult);
    args.bias = bias;
    args.mult = mult;
  }
  args.clamp_lo = ctx.weights + block.clamp_lo;
  args.clamp_hi = ctx.weights + block.clamp_hi;
  args.dst_planes = dst_planes.data() + block.first_dst;
  args.dst_pad = dst_pads.data() + block.first_dst;
  args.residual_planes = residual_planes.empty() ? nullptr : residual_planes.data() + block.first_dst;
  args.epilogue = &epilogue;
  std::copy(std::begin(block.section_planes), std::end(block.section_planes), args.section_planes);
  auto launch = [&](int64_t vector, int64_t tiles, int vectors) {
    args.src = ctx.arena + image * src.image_bytes() + vector * kVectorBytes;
    args.dst = ctx.arena + image * dst.image_bytes() + vector * kVectorBytes;
    args.residual = args.dst;
    args.lanes = reinterpret_cast<const uint16_t*>(ctx.weights + lanes) + vector;
    args.tiles = tiles;
    ctx.call(block.kernels[static_cast<size_t>(vectors - 1)], &args);
  };
  int64_t tiles = (end - first) / pv;
  if (tiles > 0) launch(first, tiles, pv);
  first += tiles * pv;
  if (first < end) launch(first, 1, static_cast<int>(end - first));
}

void ConvStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  fill_padding(ctx.arena, dst, dst_planes, dst_pads, Stored::vectors, part, parts);
  const int64_t vectors = dst.vectors();
  const int64_t tiles = (vectors + pv - 1) / pv;
  // Small maps with many output channels are split by blocks, everything else by tiles.
  const bool by_block = parts > 1 && tiles * dst.n < 2 * parts && static_cast<int64_t>(blocks.size()) >= parts;
  Share block_share(static_cast<int64_t>(blocks.size()), by_block ? part : 0, by_block ? parts : 1);
  Share tile_share(tiles * dst.n, by_block ? 0 : part, by_block ? 1 : parts);
  for (int64_t t = tile_share.begin; t < tile_share.end;) {
    const int64_t image = t / tiles, in_image = t % tiles;
    const int64_t count = std::min({band_tiles, tiles - in_image, tile_share.end - t});
    const int64_t first = in_image * pv, end = std::min(vectors, (in_image + count) * pv);
    for (int64_t b = block_share.begin; b < block_share.end; ++b)
      run_band(ctx, static_cast<int>(image), blocks[static_cast<size_t>(b)], first, end);
    t += count;
  }
}

}  // namespace quadlane::run
