// Depthwise convolution of u8 quads on one core, beside oneDNN's where the library is installed: GMAC/s of the two in
// one process, on weights drawn as a trained layer's. Stride 2 runs on phase planes that are there already.
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <random>

#ifdef QUADLANE_DNNL
#include <dlfcn.h>

#include <dnnl.hpp>
#endif

#include "engine/base/geometry.h"
#include "jit/code_memory.h"
#include "jit/kernels/depthwise.h"

namespace quadlane::bench {
namespace {

struct Shape {
  int size, channels, kernel, stride;  // size: of the result
  double gmac() const { return 1e-9 * size * size * channels * kernel * kernel; }
};

constexpr Shape kShapes[] = {{112, 64, 3, 1}, {56, 128, 3, 1}, {28, 256, 3, 1}, {14, 512, 3, 1},
                             {7, 960, 3, 1},  {56, 96, 3, 2},  {14, 384, 3, 2}, {56, 72, 5, 1},
                             {14, 480, 5, 1}, {14, 240, 5, 2}, {56, 96, 7, 1}};

int8_t trained_weight(std::mt19937& rng) {
  return static_cast<int8_t>(std::clamp(std::normal_distribution<float>(0, 45)(rng), -127.0f, 127.0f));
}

class DepthwiseCase {
 public:
  DepthwiseCase(const Shape& shape, Isa isa) {
    const int reach = shape.kernel / 2;
    geometry_ = make_geometry(1, shape.size, shape.size, reach, reach, reach).value();
    spec_.isa = isa;
    spec_.rounding = {.bounded = true, .whole_range = true, .no_zero = true};  // as in front of or behind a ReLU
    const int s = shape.stride;
    for (int py = 0; py < s; ++py)
      for (int px = 0; px < s; ++px) {
        std::vector<int64_t> taps;
        for (int i = 0; i < shape.kernel; ++i)
          for (int j = 0; j < shape.kernel; ++j) {
            const int y = i - reach + s * reach, x = j - reach + s * reach;  // shifted: not negative
            if (y % s == py && x % s == px)
              taps.push_back(((y / s - reach) * int64_t{geometry_.pitch} + x / s - reach) * kPixelBytes);
          }
        if (!taps.empty()) spec_.taps.push_back(std::move(taps));
      }
    std::mt19937 rng(1);
    const int quads = (shape.channels + 3) / 4, sections = static_cast<int>(spec_.taps.size());
    memory_.resize(static_cast<size_t>(geometry_.plane_bytes()) * static_cast<size_t>(quads * (sections + 1)) + 64);
    for (auto& b : memory_) b = static_cast<std::byte>(rng());
    base_ = memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64;
    for (int i = 0; i < quads * (sections + 1); ++i)
      planes_.push_back(i * geometry_.plane_bytes() + geometry_.origin * kPixelBytes);
    for (int q = 0; q < quads; ++q) {
      DepthwiseChannels channels;
      channels.mult.fill(0.005f);
      weights_.push_back(pack_depthwise(spec_, channels, [&](int, int, int) { return trained_weight(rng); }));
    }
    const size_t at = memory_of_code_.place(generate(spec_).value());
    ok_ = memory_of_code_.seal().ok();
    kernel_ = memory_of_code_.entry(at);
    lanes_ = valid_lanes(geometry_);
  }

  void run() {
    const size_t sections = spec_.taps.size();
    ConvArgs args{};
    args.src = args.dst = base_;
    args.dst_pad = &pad_;
    args.lanes = lanes_.data();
    args.epilogue = &epilogue_;
    args.tiles = geometry_.vectors();
    for (size_t q = 0; q < weights_.size(); ++q) {
      args.src_planes = planes_.data() + q * (sections + 1);
      args.dst_planes = args.src_planes + sections;
      args.weights = weights_[q].data();
      kernel_(&args);
    }
    benchmark::ClobberMemory();
  }
  bool ok() const { return ok_; }

 private:
  Geometry geometry_;
  DepthwiseSpec spec_;
  std::vector<std::byte> memory_;
  std::byte* base_;
  std::vector<int64_t> planes_;
  std::vector<std::vector<std::byte>> weights_;
  std::vector<uint16_t> lanes_;
  ConvEpilogue epilogue_{.v_lo = 0, .v_hi = 255};
  uint32_t pad_ = 0;
  CodeMemory memory_of_code_;
  KernelFn kernel_;
  bool ok_;
};

void report(benchmark::State& state, const Shape& shape) {
  state.counters["GMAC/s"] =
      benchmark::Counter(shape.gmac() * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void time_ours(benchmark::State& state, const Shape& shape, Isa isa) {
  DepthwiseCase c(shape, isa);
  if (!c.ok()) return state.SkipWithError("no executable memory");
  for (auto _ : state) c.run();
  report(state, shape);
}

#ifdef QUADLANE_DNNL
// The library takes all cores unless OpenMP, which it brings along, is told otherwise.
void use_one_thread() {
  if (void* set = dlsym(RTLD_DEFAULT, "omp_set_num_threads")) reinterpret_cast<void (*)(int)>(set)(1);
}

// u8 x s8 -> u8 with one output scale, in whatever layout the library prefers.
void time_dnnl(benchmark::State& state, const Shape& shape) {
  using namespace dnnl;
  using tag = memory::format_tag;
  const int reach = shape.kernel / 2, in = shape.size * shape.stride;
  engine cpu(engine::kind::cpu, 0);
  stream s(cpu);
  auto desc = [](memory::dims dims, memory::data_type type) { return memory::desc(dims, type, tag::any); };
  convolution_forward::desc conv(prop_kind::forward_inference, algorithm::convolution_direct,
                                 desc({1, shape.channels, in, in}, memory::data_type::u8),
                                 desc({shape.channels, 1, 1, shape.kernel, shape.kernel}, memory::data_type::s8),
                                 desc({shape.channels}, memory::data_type::s32),
                                 desc({1, shape.channels, shape.size, shape.size}, memory::data_type::u8),
                                 {shape.stride, shape.stride}, {reach, reach}, {reach, reach});
  primitive_attr attr;
  attr.set_output_scales(0, {0.005f});
  convolution_forward::primitive_desc chosen(conv, attr, cpu);
  memory x(chosen.src_desc(), cpu), w(chosen.weights_desc(), cpu), b(chosen.bias_desc(), cpu),
      y(chosen.dst_desc(), cpu);
  std::mt19937 rng(1);
  for (const memory* m : {&x, &w, &b}) {
    auto* bytes = static_cast<uint8_t*>(m->get_data_handle());
    for (size_t i = 0; i < m->get_desc().get_size(); ++i)
      bytes[i] = m == &x ? static_cast<uint8_t>(rng()) : m == &w ? static_cast<uint8_t>(trained_weight(rng)) : 0;
  }
  convolution_forward run(chosen);
  for (auto _ : state) {
    run.execute(s, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, y}});
    s.wait();
  }
  state.SetLabel(chosen.impl_info_str());
  report(state, shape);
}
#endif

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  using namespace quadlane;
  benchmark::Initialize(&argc, argv);
  const Isa isa = detect_cpu().best_isa();
  if (isa == Isa::reference) return 0;
#ifdef QUADLANE_DNNL
  bench::use_one_thread();
#endif
  for (const bench::Shape& s : bench::kShapes) {
    const std::string name = cat(s.channels, "x", s.size, "x", s.size, " ", s.kernel, "x", s.kernel, " s", s.stride);
    benchmark::RegisterBenchmark((name + " quadlane").c_str(), bench::time_ours, s, isa);
#ifdef QUADLANE_DNNL
    benchmark::RegisterBenchmark((name + " onednn").c_str(), bench::time_dnnl, s);
#endif
  }
  benchmark::RunSpecifiedBenchmarks();
}
