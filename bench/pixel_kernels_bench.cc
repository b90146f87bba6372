// Every kernel that moves pixels rather than multiplying them: GB/s read and written, and its share of what memcpy
// reaches in this process on the same number of bytes. One thread; on activations that fit in L2 and on ones that do
// not. Prints nothing for an instruction set this machine does not have.
#include <benchmark/benchmark.h>

#include <cstring>
#include <ctime>
#include <functional>
#include <memory>

#include "engine/base/cpu.h"
#include "jit/code_memory.h"
#include "jit/kernels/channels.h"
#include "jit/kernels/elementwise.h"
#include "jit/kernels/phases.h"
#include "jit/kernels/plane_sums.h"
#include "jit/kernels/pool.h"
#include "jit/kernels/quantize.h"
#include "jit/kernels/resample.h"

namespace quadlane {
namespace {

// Planes of one geometry, page-aligned and written once.
struct Arena {
  Arena(const Geometry& g, int planes)
      : geometry(g), size(static_cast<size_t>(g.plane_bytes()) * static_cast<size_t>(planes)) {
    bytes.reset(static_cast<std::byte*>(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096)));
    for (size_t i = 0; i < size / sizeof(float); ++i) {  // as bytes anything will do, as floats no denormals
      float value = static_cast<float>(i % 1013) * 0.25f + 1;
      std::memcpy(bytes.get() + i * sizeof value, &value, sizeof value);
    }
    for (int i = 0; i < planes; ++i) offsets.push_back((i * g.plane_pixels + g.origin) * kPixelBytes);
    pads.assign(static_cast<size_t>(planes), 0);
  }
  int64_t row_bytes() const { return int64_t{geometry.pitch} * kPixelBytes; }
  int64_t pixel_bytes() const {
    return int64_t{geometry.h} * geometry.w * kPixelBytes * static_cast<int64_t>(pads.size());
  }

  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  Geometry geometry;
  size_t size;
  std::unique_ptr<std::byte[], Free> bytes;
  std::vector<int64_t> offsets;
  std::vector<uint32_t> pads;
};

std::shared_ptr<Arena> arena(int h, int w, int planes) {
  return std::make_shared<Arena>(make_geometry(1, h, w, 1, 1, 1).value(), planes);
}

// A kernel with everything its arguments point to.
struct Case {
  std::string name;
  int64_t bytes = 0;  // read and written by one call
  Result<MachineCode> code;
  std::vector<std::shared_ptr<void>> keep;
  std::shared_ptr<void> args;
};

template <class Args>
Case make_case(std::string name, int64_t bytes, Result<MachineCode> code, Args args,
               std::vector<std::shared_ptr<void>> keep) {
  return {std::move(name), bytes, std::move(code), std::move(keep), std::make_shared<Args>(args)};
}

template <class T>
std::shared_ptr<std::vector<T>> list(size_t n, T value) {
  return std::make_shared<std::vector<T>>(n, value);
}

Case quantize_case(Isa isa, int size, int planes) {
  auto dst = arena(size, size, planes);
  auto src = std::make_shared<Arena>(make_geometry(1, size, size, 0, 0, 0).value(), 4 * planes);
  auto scale = list<float>(4 * static_cast<size_t>(planes), 0.5f);
  auto zero = list<int32_t>(4 * static_cast<size_t>(planes), 3);
  QuantizeArgs args{
      src->bytes.get(),    src->offsets.data(), src->row_bytes(), scale->data(), zero->data(), dst->bytes.get(),
      dst->offsets.data(), dst->row_bytes(),    dst->pads.data(), planes,        size};
  return make_case("quantize", src->pixel_bytes() + dst->pixel_bytes(), generate(QuantizeSpec{isa, {size, 1}, 15}),
                   args, {src, dst, scale, zero});
}

Case dequantize_case(Isa isa, int size, int planes) {
  auto src = arena(size, size, planes);
  auto dst = std::make_shared<Arena>(make_geometry(1, size, size, 0, 0, 0).value(), 4 * planes);
  auto scale = list<float>(4 * static_cast<size_t>(planes), 0.5f);
  auto zero = list<int32_t>(4 * static_cast<size_t>(planes), 3);
  DequantizeArgs args{
      src->bytes.get(),    src->offsets.data(), src->row_bytes(), scale->data(), zero->data(), dst->bytes.get(),
      dst->offsets.data(), dst->row_bytes(),    nullptr,          planes,        size};
  return make_case("dequantize", src->pixel_bytes() + dst->pixel_bytes(), generate(DequantizeSpec{isa, {size, 0}, 15}),
                   args, {src, dst, scale, zero});
}

Case elementwise_case(Isa isa, ElementwiseOp op, bool flat, int size, int planes, Activation act = Activation::none) {
  auto a = arena(size, size, planes), b = arena(size, size, planes), dst = arena(size, size, planes);
  auto scalars = std::make_shared<ElementwiseScalars>();
  scalars->a_mult = 0.5f, scalars->b_mult = 0.25f, scalars->v_hi = 255;
  auto requantize = list<RequantizeChannels>(static_cast<size_t>(planes), {{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}});
  auto tables = list<std::array<uint8_t, 1024>>(static_cast<size_t>(planes), {});
  const bool channels = op == ElementwiseOp::lut_channels || op == ElementwiseOp::lut_channels_vbmi;
  auto lanes = std::make_shared<std::vector<uint16_t>>(valid_lanes(dst->geometry));
  ElementwiseArgs args{a->bytes.get(),
                       a->offsets.data(),
                       a->row_bytes(),
                       b->bytes.get(),
                       b->offsets.data(),
                       b->row_bytes(),
                       dst->bytes.get(),
                       dst->offsets.data(),
                       dst->row_bytes(),
                       dst->pads.data(),
                       channels ? static_cast<const void*>(tables->data()) : requantize->data(),
                       scalars.get(),
                       lanes->data(),
                       planes,
                       flat ? dst->geometry.vectors() : size};
  const ScalarFacts facts = is_f32(op) ? ScalarFacts{} : facts_of(op, *scalars, *requantize);
  bool two = op == ElementwiseOp::add_u8 || op == ElementwiseOp::mul_u8 || op == ElementwiseOp::add_f32;
  std::string name = act == Activation::none ? to_string(op) : cat(to_string(act), "_f32");
  return make_case(
      cat(name, flat ? "_flat" : "_rows"), (two ? 3 : 2) * dst->pixel_bytes(),
      generate(ElementwiseSpec{isa, op, act, flat ? RowShape{} : RowShape{size, 1}, Second::planes, false, facts}),
      args, {a, b, dst, scalars, requantize, tables, lanes});
}

Case channels_case(Isa isa, ChannelsOp op, bool f32, int size, int planes) {
  auto src = arena(size, size, planes), dst = arena(size, size, planes);
  auto lanes = std::make_shared<std::vector<uint16_t>>(valid_lanes(dst->geometry));
  auto channels = std::make_shared<std::vector<int32_t>>();
  for (int c = 0; c < 4 * planes; ++c) channels->push_back(c);
  ChannelsArgs args{};
  args.src = src->bytes.get(), args.src_planes = src->offsets.data();
  args.dst = dst->bytes.get(), args.dst_planes = dst->offsets.data(), args.dst_pad = dst->pads.data();
  args.lanes = lanes->data(), args.channels = channels->data(), args.factor = 1;
  args.planes = planes, args.count = dst->geometry.vectors();
  const bool softmax = op <= ChannelsOp::log_softmax;
  return make_case(cat("channels_", to_string(op), f32 ? "_f32" : "_u8"), (softmax ? 2 : 1) * src->pixel_bytes(),
                   generate(ChannelsSpec{isa, op, f32}), args, {src, dst, lanes, channels});
}

Case plane_sums_case(Isa isa, PlaneSum sum, int size, int planes) {
  auto src = arena(size, size, planes);
  auto lanes = std::make_shared<std::array<double, 2 * kMostSumLanes>>();
  PlaneSumsArgs args{};
  args.src = src->bytes.get(), args.src_planes = src->offsets.data(), args.src_row_bytes = src->row_bytes();
  args.lanes = lanes->data(), args.planes = planes, args.rows = size;
  return make_case(sum == PlaneSum::sum ? "plane_sum" : "plane_squares", src->pixel_bytes(),
                   generate(PlaneSumsSpec{isa, sum, size}), args, {src, lanes});
}

Case pool_case(Isa isa, const char* name, PoolSpec spec, int size, int planes) {
  spec.isa = isa, spec.src_h = spec.src_w = size;
  if (spec.op == PoolOp::average && !spec.f32) spec.rounding = {true, true, true}, spec.no_in_zero = true;
  spec.dst_h = (size + 2 * spec.pad_top - spec.kh) / spec.stride_h + 1;
  spec.dst = {(size + 2 * spec.pad_left - spec.kw) / spec.stride_w + 1, 1};
  auto src = arena(size, size, planes), dst = arena(spec.dst_h, spec.dst.w, planes);
  auto rows = std::make_shared<std::vector<PoolRow>>(pool_rows(spec, src->geometry.pitch));
  auto factors = std::make_shared<std::vector<std::byte>>(pool_factors(spec, false, 1.0f, 0, *rows));
  PoolArgs args{src->bytes.get(),
                src->offsets.data(),
                src->row_bytes(),
                rows->data(),
                dst->bytes.get(),
                dst->offsets.data(),
                dst->row_bytes(),
                dst->pads.data(),
                factors->data(),
                0,
                255,
                0,
                0,
                planes,
                spec.dst_h};
  return make_case(name, src->pixel_bytes() + dst->pixel_bytes(), generate(spec), args, {src, dst, rows, factors});
}

Case global_pool_case(Isa isa, int size, int planes) {
  auto src = arena(size, size, planes), dst = arena(1, 1, planes);
  GlobalPoolArgs args{src->bytes.get(),
                      src->offsets.data(),
                      src->row_bytes(),
                      dst->bytes.get(),
                      dst->offsets.data(),
                      dst->pads.data(),
                      1.0f / static_cast<float>(size * size),
                      0,
                      0,
                      255,
                      0,
                      0,
                      planes,
                      size};
  return make_case("global_average_pool", src->pixel_bytes(), generate(GlobalPoolSpec{isa, false, size, 1}), args,
                   {src, dst});
}

Case resample_case(Isa isa, const char* name, ResampleKind kind, bool f32, int size, int planes, bool windows = false) {
  auto src = arena(size / 2, size / 2, planes), dst = arena(size, size, planes);
  std::vector<ResampleTap> taps;
  for (int i = 0; i < size; ++i) {
    int first = std::max(0, (i - 1) / 2);
    taps.push_back({first, std::min(first + 1, size / 2 - 1), i % 2 ? 0.25f : i ? 0.75f : 0.0f});
  }
  ResampleSpec spec{isa, kind, f32, ResampleWindows::none, size / 2, {size, 1}};
  if (windows) spec.windows = fitting_windows(spec, taps);
  auto rows = std::make_shared<std::vector<ResampleRow>>(resample_rows(spec, taps, src->geometry.pitch));
  auto columns = std::make_shared<std::vector<std::byte>>(resample_columns(spec, taps));
  ResampleArgs args{src->bytes.get(),    src->offsets.data(), rows->data(),     columns->data(), dst->bytes.get(),
                    dst->offsets.data(), dst->row_bytes(),    dst->pads.data(), planes,          size};
  return make_case(name, src->pixel_bytes() + dst->pixel_bytes(), generate(spec), args, {src, dst, rows, columns});
}

Case split_case(Isa isa, int size, int planes) {
  auto src = arena(size, size, planes), dst = arena(size / 2, size / 2, 2 * planes);
  auto rows = std::make_shared<std::vector<int64_t>>();
  for (int y = 0; y < size / 2; ++y) rows->push_back(2 * y * src->row_bytes());
  PhaseSplitArgs args{src->bytes.get(), src->offsets.data(), rows->data(), dst->bytes.get(), dst->offsets.data(),
                      dst->row_bytes(), dst->pads.data(),    planes,       size / 2};
  return make_case("phase_split", src->pixel_bytes(), generate(PhaseSplitSpec{isa, 2, 3, size, {size / 2, 1}}), args,
                   {src, dst, rows});
}

Case interleave_case(Isa isa, int size, int planes) {
  auto src = arena(size / 2, size / 2, 2 * planes), dst = arena(size, size, planes);
  PhaseInterleaveArgs args{
      src->bytes.get(),     src->offsets.data(), src->row_bytes(), dst->bytes.get(), dst->offsets.data(),
      2 * dst->row_bytes(), dst->pads.data(),    planes,           size / 2};
  return make_case("phase_interleave", dst->pixel_bytes(), generate(PhaseInterleaveSpec{isa, 2, {size, 1}}), args,
                   {src, dst});
}

PoolSpec window(PoolOp op, bool f32, int k, int stride, int pad) {
  PoolSpec s;
  s.op = op, s.f32 = f32, s.kh = s.kw = k, s.stride_h = s.stride_w = stride, s.pad_top = s.pad_left = pad;
  return s;
}

// Each is made when it runs, so that only one case holds memory at a time.
std::vector<std::function<Case()>> all_cases(Isa isa, int size, int planes) {
  std::vector<std::function<Case()>> cases;
  cases.push_back([=] { return quantize_case(isa, size, planes); });
  cases.push_back([=] { return dequantize_case(isa, size, planes); });
  for (ElementwiseOp op :
       {ElementwiseOp::copy, ElementwiseOp::requantize, ElementwiseOp::requantize_folded, ElementwiseOp::lut,
        ElementwiseOp::lut_channels, ElementwiseOp::add_u8, ElementwiseOp::mul_u8, ElementwiseOp::add_f32})
    cases.push_back([=] { return elementwise_case(isa, op, true, size, planes); });
  if (isa == Isa::avx512_vnni && detect_cpu().avx512_vbmi)
    for (ElementwiseOp op : {ElementwiseOp::lut_vbmi, ElementwiseOp::lut_channels_vbmi})
      cases.push_back([=] { return elementwise_case(isa, op, true, size, planes); });
  for (int f = 1; f <= static_cast<int>(Activation::round); ++f)
    cases.push_back([=] { return elementwise_case(isa, ElementwiseOp::unary_f32, true, size, planes, Activation(f)); });
  for (ChannelsOp op : {ChannelsOp::softmax, ChannelsOp::sum, ChannelsOp::argmax})
    cases.push_back([=] { return channels_case(isa, op, true, size, planes); });
  cases.push_back([=] { return channels_case(isa, ChannelsOp::argmax, false, size, planes); });
  for (PlaneSum sum : {PlaneSum::sum, PlaneSum::squares})
    cases.push_back([=] { return plane_sums_case(isa, sum, size, planes); });
  cases.push_back([=] { return elementwise_case(isa, ElementwiseOp::copy, false, size, planes); });
  cases.push_back([=] { return elementwise_case(isa, ElementwiseOp::requantize, false, size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_u8_2x2_s2", window(PoolOp::max, false, 2, 2, 0), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_u8_3x3_s2", window(PoolOp::max, false, 3, 2, 1), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_u8_3x3_s1", window(PoolOp::max, false, 3, 1, 1), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_u8_3x3_s3", window(PoolOp::max, false, 3, 3, 0), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_u8_5x5_s1", window(PoolOp::max, false, 5, 1, 2), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "max_pool_f32_2x2_s2", window(PoolOp::max, true, 2, 2, 0), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "average_pool_u8_2x2_s2", window(PoolOp::average, false, 2, 2, 0), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "average_pool_u8_3x3_s1", window(PoolOp::average, false, 3, 1, 1), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "average_pool_f32_2x2_s2", window(PoolOp::average, true, 2, 2, 0), size, planes); });
  cases.push_back(
      [=] { return pool_case(isa, "average_pool_f32_3x3_s1", window(PoolOp::average, true, 3, 1, 1), size, planes); });
  cases.push_back([=] { return global_pool_case(isa, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_nearest_2x", ResampleKind::nearest_2x, false, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_linear_2x_u8", ResampleKind::linear_2x, false, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_linear_2x_f32", ResampleKind::linear_2x, true, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_nearest_table", ResampleKind::nearest, false, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_linear_table_u8", ResampleKind::linear, false, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_linear_table_f32", ResampleKind::linear, true, size, planes); });
  cases.push_back(
      [=] { return resample_case(isa, "resample_nearest_windows", ResampleKind::nearest, false, size, planes, true); });
  cases.push_back([=] {
    return resample_case(isa, "resample_linear_windows_u8", ResampleKind::linear, false, size, planes, true);
  });
  cases.push_back([=] {
    return resample_case(isa, "resample_linear_windows_f32", ResampleKind::linear, true, size, planes, true);
  });
  cases.push_back([=] { return split_case(isa, size, planes); });
  cases.push_back([=] { return interleave_case(isa, size, planes); });
  return cases;
}

// Of this thread: a busy machine does not count.
double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Bytes read and written by memcpy a second when `bytes` of both together are moved. The best of several rounds and of
// several distances between source and destination: some library versions are many times slower at some of them.
double copy_rate(int64_t bytes) {
  auto half = static_cast<size_t>(bytes / 2);
  double best = 0;
  for (size_t distance : {size_t{64}, size_t{1088}, size_t{2112}}) {
    std::vector<std::byte> memory(2 * half + 2 * 4096, std::byte{1});
    std::byte* src = memory.data();
    std::byte* dst = src + (half + 4095) / 4096 * 4096 + distance;
    for (int round = 0; round < 3; ++round) {
      int repeats = static_cast<int>(std::max<int64_t>(4, (int64_t{8} << 20) / bytes));
      double start = cpu_seconds();
      for (int i = 0; i < repeats; ++i) {
        std::memcpy(dst, src, half);
        benchmark::ClobberMemory();
      }
      best = std::max(best, static_cast<double>(bytes) * repeats / (cpu_seconds() - start));
    }
  }
  return best;
}

void run_case(benchmark::State& state, const Case& c) {
  if (!c.code.ok()) return state.SkipWithError(c.code.error().text().c_str());
  CodeMemory memory;
  size_t offset = memory.place(*c.code);
  if (Status s = memory.seal(); !s.ok()) return state.SkipWithError(s.error().text().c_str());
  KernelFn kernel = memory.entry(offset);
  double copy = copy_rate(c.bytes);
  double start = cpu_seconds();
  for (auto _ : state) {
    kernel(c.args.get());
    benchmark::ClobberMemory();
  }
  double rate = static_cast<double>(c.bytes) * static_cast<double>(state.iterations()) / (cpu_seconds() - start);
  state.counters["GB/s"] = rate / 1e9;
  state.counters["of_memcpy_%"] = 100 * rate / copy;
}

void register_all() {
  struct Size {
    const char* name;
    int pixels, planes;
  };
  // Of the second size L3 holds a tensor and its result, of the third one no cache does.
  for (const Size& size : {Size{"L2", 48, 8}, Size{"large", 192, 24}, Size{"memory", 640, 24}})
    for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni}) {
      if (!detect_cpu().runs(isa)) continue;
      size_t count = all_cases(isa, 16, 1).size();
      for (size_t i = 0; i < count; ++i) {
        std::string name = all_cases(isa, 16, 1)[i]().name;
        benchmark::RegisterBenchmark(
            cat(name, "/", size.name, "/", to_string(isa)).c_str(),
            [isa, size, i](benchmark::State& state) { run_case(state, all_cases(isa, size.pixels, size.planes)[i]()); })
            ->MinTime(0.05);
      }
    }
}

}  // namespace
}  // namespace quadlane

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  quadlane::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
