#include "bench/conv_case.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace quadlane::bench {
namespace {

Geometry geometry_of(const ConvShape& s) {
  return make_geometry(1, s.h, s.w, s.kernel / 2, s.kernel / 2, s.kernel / 2).value();
}

int channels_per_plane(const ConvShape& s) { return s.type == DType::u8 ? 4 : 1; }
int64_t plane_count(int channels, const ConvShape& s) {
  return (channels + channels_per_plane(s) - 1) / channels_per_plane(s);
}

}  // namespace

std::string ConvShape::name() const {
  return cat(h, "x", w, "/", inputs, "to", outputs, "/k", kernel, threshold ? "/threshold" : "",
             type == DType::f32 ? "/f32" : "/u8");
}

ConvSpec ConvCase::spec(const ConvShape& shape, Isa isa) {
  ConvSpec s;
  s.isa = isa;
  s.src = s.dst = shape.type;
  s.clamp_lo = shape.threshold;
  const int64_t pitch = geometry_of(shape).pitch;
  s.taps.resize(1);
  for (int y = 0; y < shape.kernel; ++y)
    for (int x = 0; x < shape.kernel; ++x)
      s.taps[0].push_back(((y - shape.kernel / 2) * pitch + x - shape.kernel / 2) * kPixelBytes);
  s.rounding.bounded = true;
  return s;
}

ConvExtent ConvCase::extent(const ConvShape& s) {
  return {s.outputs, geometry_of(s).vectors(), {plane_count(s.inputs, s)}};
}

ConvCase::Memory ConvCase::allocate(int64_t bytes) {
  constexpr size_t kHugePage = 2 << 20;
  const size_t rounded = (static_cast<size_t>(bytes) + kHugePage - 1) / kHugePage * kHugePage;
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(kHugePage, rounded)));
  if (memory) {
    madvise(memory.get(), rounded, MADV_HUGEPAGE);
    std::fill_n(memory.get(), rounded, std::byte{0});
  }
  return memory;
}

Result<ConvCase> ConvCase::make(const ConvShape& shape, Isa isa, const ConvSchedule& schedule) {
  ConvCase c;
  c.shape_ = shape;
  c.geometry_ = geometry_of(shape);
  c.pv_ = schedule.pv;
  const int64_t inputs = plane_count(shape.inputs, shape), outputs = plane_count(shape.outputs, shape);
  const int64_t plane_bytes = c.geometry_.plane_bytes();
  std::mt19937 rng(1);
  c.src_ = allocate(inputs * plane_bytes);
  c.dst_ = allocate(outputs * plane_bytes);
  if (!c.src_ || !c.dst_) return make_error(Code::out_of_memory, "no memory for ", shape.name());
  if (shape.type == DType::u8)
    for (int64_t i = 0; i < inputs * plane_bytes; ++i) c.src_.get()[i] = static_cast<std::byte>(rng());
  auto list = [&](int64_t count) {
    std::vector<int64_t> offsets;
    for (int64_t i = 0; i < count; ++i) offsets.push_back(i * plane_bytes + c.geometry_.origin * kPixelBytes);
    return offsets;
  };
  c.src_planes_ = list(inputs);
  c.dst_planes_ = list(outputs);
  c.pads_.assign(static_cast<size_t>(outputs), 0);
  c.lanes_ = valid_lanes(c.geometry_);
  c.bias_.assign(static_cast<size_t>(shape.outputs), 0);
  c.mult_.assign(static_cast<size_t>(shape.outputs), 1e-4f);
  c.clamp_.assign(static_cast<size_t>(inputs * 64), std::byte{0});
  c.epilogue_ = {.v_lo = 0, .v_hi = 255};

  // As in trained layers: most weights are small, and 2 % of the pairs would saturate 16 bits.
  std::normal_distribution<float> normal(0, 40);
  std::vector<size_t> offsets;
  for (int o = 0; o < shape.outputs; o += schedule.no) {
    ConvSpec s = spec(shape, isa);
    schedule.apply(s);
    s.no = std::min(schedule.no, shape.outputs - o);
    Block block;
    block.first_output = static_cast<size_t>(o);
    const std::vector<int64_t> planes{inputs};
    block.weights =
        shape.type == DType::u8
            ? pack_conv_weights(s, planes,
                                [&](int, int, int64_t, int, int) {
                                  return static_cast<int8_t>(std::clamp(std::nearbyint(normal(rng)), -127.0f, 127.0f));
                                })
            : pack_conv_weights(s, planes, [](int, int, int64_t, int) { return 0.5f; });
    for (int pv = 1; pv <= schedule.pv; ++pv) {
      QL_TRY(MachineCode code, generate(with_vectors(s, pv)));
      offsets.push_back(c.code_.place(code));
    }
    c.blocks_.push_back(std::move(block));
  }
  QL_CHECK_OK(c.code_.seal());
  for (size_t i = 0; i < offsets.size(); ++i)
    c.blocks_[i / static_cast<size_t>(schedule.pv)].kernels.push_back(c.code_.entry(offsets[i]));
  // The pixels of a band stay in the second-level cache for all blocks.
  c.band_tiles_ = std::max<int64_t>(4, (256 << 10) / (inputs * 64 * schedule.pv));
  return c;
}

void ConvCase::run() {
  ConvArgs args{};
  args.src_planes = src_planes_.data();
  args.clamp_lo = clamp_.data();
  args.epilogue = &epilogue_;
  args.section_planes[0] = static_cast<int64_t>(src_planes_.size());
  const int64_t vectors = geometry_.vectors(), tiles = vectors / pv_;
  for (int64_t band = 0; band * pv_ < vectors; band += band_tiles_)
    for (Block& block : blocks_) {
      const size_t first_plane = block.first_output / static_cast<size_t>(channels_per_plane(shape_));
      args.weights = block.weights.data();
      args.bias = bias_.data() + block.first_output;
      args.mult = mult_.data() + block.first_output;
      args.dst_planes = dst_planes_.data() + first_plane;
      args.dst_pad = pads_.data() + first_plane;
      auto launch = [&](int64_t vector, int64_t count, int64_t pv) {
        args.src = src_.get() + vector * 64;
        args.dst = dst_.get() + vector * 64;
        args.lanes = lanes_.data() + vector;
        args.tiles = count;
        block.kernels[static_cast<size_t>(pv - 1)](&args);
      };
      const int64_t count = std::min(band_tiles_, tiles - band), left = vectors - (band + count) * pv_;
      if (count > 0) launch(band * pv_, count, pv_);
      if (band + count == tiles && left > 0) launch(tiles * pv_, 1, left);
    }
}

}  // namespace quadlane::bench
