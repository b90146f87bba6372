// Kernels and their plan-time tables against the operators' references: dense tensors are laid out as planes, a kernel
// runs, and the result is compared with what ops/ computes.
#include <cmath>

#include "jit/kernels/elementwise.h"
#include "jit/kernels/pool.h"
#include "jit/kernels/resample.h"
#include "ops/resize_axis.h"
#include "tests/jit/kernel_harness.h"
#include "tests/ops/eval.h"

namespace quadlane::testing {
namespace {

using test::AttrList;
using test::Ints;
using test::must;

// Channel c of a dense [1,C,H,W] tensor in byte c % 4 of plane c / 4, or in f32 plane c.
template <class T>
void to_planes(const Tensor& x, const Planes& planes) {
  const Shape& s = x.shape();
  const T* from = x.as<T>();
  for (int64_t c = 0; c < s[1]; ++c)
    for (int64_t y = 0; y < s[2]; ++y)
      for (int64_t i = 0; i < s[3]; ++i, ++from) {
        size_t plane = static_cast<size_t>(sizeof(T) == 1 ? c / 4 : c);
        std::memcpy(
            planes.base() + planes.offsets[plane] + y * planes.row_bytes() + i * 4 + (sizeof(T) == 1 ? c % 4 : 0), from,
            sizeof(T));
      }
}
template <class T>
Tensor from_planes(const Planes& planes, const Shape& s) {
  std::vector<T> data(static_cast<size_t>(elements(s)));
  T* to = data.data();
  for (int64_t c = 0; c < s[1]; ++c)
    for (int64_t y = 0; y < s[2]; ++y)
      for (int64_t i = 0; i < s[3]; ++i, ++to) {
        size_t plane = static_cast<size_t>(sizeof(T) == 1 ? c / 4 : c);
        std::memcpy(
            to, planes.base() + planes.offsets[plane] + y * planes.row_bytes() + i * 4 + (sizeof(T) == 1 ? c % 4 : 0),
            sizeof(T));
      }
  return Tensor::from<T>(s, data);
}
int planes_of(const Shape& s, bool f32) { return static_cast<int>(f32 ? s[1] : (s[1] + 3) / 4); }

template <class T>
void expect_same(const Tensor& ours, const Tensor& reference, const std::string& what) {
  ASSERT_EQ(ours.shape(), reference.shape());
  for (int64_t i = 0; i < ours.count(); ++i) {
    if constexpr (sizeof(T) == 1) {
      ASSERT_EQ(ours.as<T>()[i], reference.as<T>()[i]) << what << " element " << i;
    } else {
      ASSERT_NEAR(ours.as<T>()[i], reference.as<T>()[i], 1e-5) << what << " element " << i;
    }
  }
}

struct PoolCase {
  PoolSpec spec;
  AttrList attrs;
  bool count_include_pad = false;
  int pad_bottom = 0, pad_right = 0;
};

PoolCase random_pool(Isa isa, test::Random& r) {
  PoolCase c;
  auto pick = [&](int lo, int hi) { return static_cast<int>(r.between(lo, hi)); };
  PoolSpec& s = c.spec;
  s.isa = isa, s.f32 = pick(0, 1), s.op = pick(0, 1) ? PoolOp::max : PoolOp::average;
  s.kh = pick(1, 3), s.kw = pick(1, 3), s.stride_h = pick(1, 3), s.stride_w = pick(1, 3);
  s.pad_top = pick(0, s.kh - 1), s.pad_left = pick(0, s.kw - 1);
  c.pad_bottom = pick(0, s.kh - 1), c.pad_right = pick(0, s.kw - 1);
  s.src_h = pick(3, 8), s.src_w = pick(3, 40);
  c.count_include_pad = pick(0, 1);
  c.attrs = {{"kernel_shape", Ints{s.kh, s.kw}},
             {"strides", Ints{s.stride_h, s.stride_w}},
             {"pads", Ints{s.pad_top, s.pad_left, c.pad_bottom, c.pad_right}}};
  const bool quantized_mean = s.op == PoolOp::average && !s.f32;  // rounds down always
  if (const int64_t ceil = pick(0, 1); !quantized_mean) c.attrs.push_back({"ceil_mode", ceil});
  if (s.op == PoolOp::average) c.attrs.push_back({"count_include_pad", int64_t{c.count_include_pad}});
  return c;
}

template <class T>
void pool_agrees(PoolCase c, test::Random& r, Rng& rng) {
  PoolSpec& s = c.spec;
  bool f32 = sizeof(T) == 4, average = s.op == PoolOp::average;
  Tensor x = r.tensor<T>({1, r.between(1, 6), s.src_h, s.src_w}, 0, f32 ? 5 : 255);
  float mult = 0.75f;
  int in_zero = 31, out_zero = 7;
  if (average && !f32) {
    c.attrs.push_back({"mult", mult});
    c.attrs.push_back({"in_zero", int64_t{in_zero}});
    c.attrs.push_back({"out_zero", int64_t{out_zero}});
  }
  Tensor reference = must(!average ? "MaxPool" : f32 ? "AveragePool" : "ql.AveragePool", {x}, c.attrs);
  s.dst_h = static_cast<int>(reference.shape()[2]), s.dst.w = static_cast<int>(reference.shape()[3]);
  int planes = planes_of(x.shape(), f32);
  Planes src(random_geometry(rng, s.src_h, s.src_w), planes, rng),
      dst(random_geometry(rng, s.dst_h, s.dst.w), planes, rng);
  s.dst.gap = dst.geometry.gap;
  to_planes<T>(x, src);
  auto code = generate(s);
  ASSERT_TRUE(code.ok()) << code.error().text();
  auto rows = pool_rows(s, src.geometry.pitch);
  auto factors = pool_factors(s, c.count_include_pad, mult, in_zero, rows, c.pad_bottom, c.pad_right);
  PoolArgs args{src.base(),
                src.offsets.data(),
                src.row_bytes(),
                rows.data(),
                dst.base(),
                dst.offsets.data(),
                dst.row_bytes(),
                dst.pads.data(),
                factors.data(),
                static_cast<float>(-out_zero),
                static_cast<float>(255 - out_zero),
                out_zero,
                0,
                planes,
                s.dst_h};
  ASSERT_TRUE(run_kernel(*code, s.isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(rows), readable(factors),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  expect_same<T>(from_planes<T>(dst, reference.shape()), reference, describe(s));
}

TEST(Agreement, Pools) {
  for (Isa isa : kGeneratedIsas) {
    test::Random r(30);
    Rng rng(30);
    for (int t = 0; t < trials(isa, 150); ++t) {
      PoolCase c = random_pool(isa, r);
      c.spec.f32 ? pool_agrees<float>(c, r, rng) : pool_agrees<uint8_t>(c, r, rng);
      if (HasFatalFailure()) return;
    }
  }
}

std::vector<ResampleTap> taps_of(const ResizeAxis& axis, CoordinateMode mode, bool linear) {
  std::vector<ResampleTap> taps;
  for (int64_t o = 0; o < axis.out; ++o) {
    float source = source_coordinate(axis, mode, o);
    LinearTap t = linear_tap(axis, source);
    int32_t nearest = nearest_index(axis, NearestMode::floor, source);
    taps.push_back(linear ? ResampleTap{t.first, t.second, t.fraction} : ResampleTap{nearest, nearest, 0});
  }
  return taps;
}

struct NamedMode {
  const char* name;
  CoordinateMode mode;
};
constexpr NamedMode kModes[] = {{"half_pixel", CoordinateMode::half_pixel},
                                {"pytorch_half_pixel", CoordinateMode::pytorch_half_pixel},
                                {"align_corners", CoordinateMode::align_corners},
                                {"asymmetric", CoordinateMode::asymmetric}};

void resize_agrees(Isa isa, const NamedMode& mode, bool linear, int64_t h, int64_t w, int64_t out_h, int64_t out_w,
                   test::Random& r, Rng& rng) {
  Tensor x = r.tensor<uint8_t>({1, r.between(1, 6), h, w}, 0, 255);
  ResizeAxis rows_axis{h, out_h, static_cast<float>(out_h) / static_cast<float>(h)};
  ResizeAxis columns_axis{w, out_w, static_cast<float>(out_w) / static_cast<float>(w)};
  Tensor reference = must("ql.Resize", {x},
                          {{"sizes", Ints{out_h, out_w}},
                           {"scales", std::vector<float>{rows_axis.scale, columns_axis.scale}},
                           {"mode", std::string(linear ? "linear" : "nearest")},
                           {"nearest_mode", std::string("floor")},
                           {"coordinate_transformation_mode", std::string(mode.name)}});
  bool doubles = out_h == 2 * h && out_w == 2 * w &&
                 mode.mode == (linear ? CoordinateMode::half_pixel : CoordinateMode::asymmetric);
  int planes = planes_of(x.shape(), false);
  Planes src(random_geometry(rng, static_cast<int>(h), static_cast<int>(w)), planes, rng);
  Planes dst(random_geometry(rng, static_cast<int>(out_h), static_cast<int>(out_w)), planes, rng);
  to_planes<uint8_t>(x, src);
  ResampleKind kind = linear    ? doubles ? ResampleKind::linear_2x : ResampleKind::linear
                      : doubles ? ResampleKind::nearest_2x
                                : ResampleKind::nearest;
  ResampleSpec spec{
      isa, kind, false, ResampleWindows::none, static_cast<int>(w), {static_cast<int>(out_w), dst.geometry.gap}};
  auto column_taps = taps_of(columns_axis, mode.mode, linear);
  spec.windows = fitting_windows(spec, column_taps);
  auto code = generate(spec);
  ASSERT_TRUE(code.ok()) << code.error().text();
  auto rows = resample_rows(spec, taps_of(rows_axis, mode.mode, linear), src.geometry.pitch);
  auto columns = resample_columns(spec, column_taps);
  ResampleArgs args{src.base(),         src.offsets.data(), rows.data(),     columns.data(), dst.base(),
                    dst.offsets.data(), dst.row_bytes(),    dst.pads.data(), planes,         out_h};
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(rows), readable(columns),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  expect_same<uint8_t>(from_planes<uint8_t>(dst, reference.shape()), reference, describe(spec) + " " + mode.name);
}

TEST(Agreement, Resize) {
  for (Isa isa : kGeneratedIsas) {
    test::Random r(31);
    Rng rng(31);
    for (int t = 0; t < trials(isa, 80); ++t) {
      int64_t h = r.between(1, 9), w = r.between(1, 40);
      bool doubled = r.between(0, 1);
      resize_agrees(isa, kModes[r.between(0, 3)], r.between(0, 1), h, w, doubled ? 2 * h : r.between(1, 20),
                    doubled ? 2 * w : r.between(1, 70), r, rng);
      if (HasFatalFailure()) return;
    }
  }
}

// ql.Add over [1,C,H,W] in the flat form.
TEST(Agreement, Add) {
  for (Isa isa : kGeneratedIsas) {
    test::Random r(32);
    Rng rng(32);
    auto code = generate(ElementwiseSpec{isa, ElementwiseOp::add_u8, Activation::none, {}});
    ASSERT_TRUE(code.ok()) << code.error().text();
    for (int t = 0; t < trials(isa, 40); ++t) {
      Shape shape{1, r.between(1, 9), r.between(1, 5), r.between(1, 40)};
      Tensor a = r.tensor<uint8_t>(shape, 0, 255), b = r.tensor<uint8_t>(shape, 0, 255);
      ElementwiseScalars s{0.4375f, 12, 0.8125f, 200, -9, 200 - 9, 9, 0};
      Tensor reference = must("ql.Add", {a, b},
                              {{"a_mult", s.a_mult},
                               {"a_zero", int64_t{12}},
                               {"b_mult", s.b_mult},
                               {"b_zero", int64_t{200}},
                               {"out_zero", int64_t{9}},
                               {"out_lo", int64_t{0}},
                               {"out_hi", int64_t{200}}});
      Geometry g = random_geometry(rng, static_cast<int>(shape[2]), static_cast<int>(shape[3]));
      int planes = planes_of(shape, false);
      Planes pa(g, planes, rng), pb(g, planes, rng), dst(g, planes, rng);
      to_planes<uint8_t>(a, pa);
      to_planes<uint8_t>(b, pb);
      auto lanes = valid_lanes(g);
      ElementwiseArgs args{
          pa.base(), pa.offsets.data(), 0,       pb.base(), pb.offsets.data(), 0,      dst.base(), dst.offsets.data(),
          0,         dst.pads.data(),   nullptr, &s,        lanes.data(),      planes, g.vectors()};
      ASSERT_TRUE(run_kernel(
          *code, isa, &args,
          {block(args), block(s), readable(pa.bytes), readable(pb.bytes), readable(pa.offsets), readable(pb.offsets),
           readable(dst.offsets), readable(dst.pads), readable(lanes), writable(dst.bytes)}));
      expect_same<uint8_t>(from_planes<uint8_t>(dst, shape), reference, "add_u8 flat");
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quadlane::testing
