#include "engine/run/oconv_step.h"

#include <algorithm>

namespace quadlane::run {

// Tile rows [first, end): in each segment, tiles of one kind below each other are one call.
void OconvStep::run_band(const RunContext& ctx, int64_t image, const Block& block, int64_t first,
                         int64_t end) const noexcept {
  const int64_t src_row = int64_t{src.pitch} * stride_y * kPixelBytes, dst_row = int64_t{dst.pitch} * kPixelBytes;
  OconvArgs args;
  args.src_planes = src_planes.data() + block.first_src;
  args.weights = ctx.weights + block.weights;
  args.bias = ctx.weights + block.bias;
  args.mult = reinterpret_cast<const float*>(ctx.weights + block.mult);
  args.shift = reinterpret_cast<const float*>(ctx.weights + block.shift);
  args.clamp_lo = ctx.weights + block.clamp_lo;
  args.clamp_hi = ctx.weights + block.clamp_hi;
  args.dst_planes = dst_planes.data() + block.first_dst;
  args.residual_planes = residual_planes.empty() ? nullptr : residual_planes.data() + block.first_dst;
  args.epilogue = &epilogue;
  args.src_step = src_row * tile_rows / up_y;
  args.dst_step = dst_row * tile_rows;
  std::copy(std::begin(block.section_planes), std::end(block.section_planes), args.section_planes);
  const size_t segments = first_columns.size();
  for (size_t s = 0; s < segments; ++s)
    for (int64_t t = first; t < end; t += args.tiles) {
      auto kind = [&](int64_t row) { return kinds[static_cast<size_t>(row) * segments + s]; };
      args.tiles = 1;
      while (t + args.tiles < end && kind(t + args.tiles) == kind(t)) ++args.tiles;
      const int64_t column = first_columns[s];
      args.src = ctx.arena + image * src.image_bytes() + t * args.src_step + column * stride_x / up_x * kPixelBytes;
      args.dst = ctx.arena + image * dst.image_bytes() + t * args.dst_step + column * kPixelBytes;
      args.residual = args.dst;
      ctx.call(block.kernels[kind(t)], &args);
    }
}

void OconvStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  fill_padding(ctx.arena, dst, dst_planes, dst_pads, Stored::pixels, part, parts);
  const int64_t rows = static_cast<int64_t>(kinds.size() / first_columns.size());
  // Small maps with many output channels are split by blocks, everything else by rows.
  const bool by_block = parts > 1 && rows * dst.n < 4 * parts && static_cast<int64_t>(blocks.size()) >= parts;
  const Share block_share(static_cast<int64_t>(blocks.size()), by_block ? part : 0, by_block ? parts : 1);
  const Share row_share(rows * dst.n, by_block ? 0 : part, by_block ? 1 : parts);
  for (int64_t r = row_share.begin; r < row_share.end;) {
    const int64_t image = r / rows, first = r % rows;
    const int64_t count = std::min({band_rows, rows - first, row_share.end - r});
    for (int64_t b = block_share.begin; b < block_share.end; ++b)
      run_band(ctx, image, blocks[static_cast<size_t>(b)], first, first + count);
    r += count;
  }
}

}  // namespace quadlane::run
