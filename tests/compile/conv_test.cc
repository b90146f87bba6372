// Whole convolution steps: layouts, phases, groups, padding, packing, against ops/ql_conv.
#include <gtest/gtest.h>

#include <random>

#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

struct Problem {
  int n = 1, c = 4, h = 8, w = 8, o = 4, kh = 3, kw = 3, sh = 1, sw = 1, dh = 1, dw = 1, group = 1;
  int pt = 1, pl = 1, pb = 1, pr = 1, oph = 0, opw = 0;
  bool u8 = true, u8_out = true, lo = false, hi = false, residual = false, transposed = false, slope = false,
       table = false;
  std::string act;
  unsigned seed = 1;

  bool has_table() const { return table && u8_out; }
  bool slopes() const { return slope && !transposed && !residual && (u8_out || act.empty()); }

  std::string text() const {
    return cat(transposed ? "transposed " : "", "n", n, " c", c, " ", h, "x", w, " o", o, " k", kh, "x", kw, " s", sh,
               ",", sw, " d", dh, ",", dw, " g", group, " p", pt, ",", pl, ",", pb, ",", pr, " op", oph, ",", opw,
               u8 ? " u8" : " f32", u8_out ? ">u8" : ">f32", lo ? " lo" : "", hi ? " hi" : "",
               residual ? " residual" : "", slopes() ? " slope" : "", has_table() ? " table" : "", " ", act, " seed",
               seed);
  }
};

template <class T, class F>
Tensor make(const Shape& shape, F value) {
  Tensor t = *Tensor::allocate({dtype_of<T>(), shape});
  T* p = t.mutate<T>();
  for (int64_t i = 0; i < t.count(); ++i) p[i] = static_cast<T>(value());
  return t;
}

Result<Graph> build(const Problem& p) {
  std::mt19937 rng(p.seed);
  auto uniform = [&](int lo, int hi) {
    return [&rng, lo, hi] { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  };
  auto normal = [&](float scale) { return [&rng, scale] { return std::normal_distribution<float>(0, scale)(rng); }; };
  Graph g;
  DType in = p.u8 ? DType::u8 : DType::f32;
  ValueId x = g.add_input("x", {in, {p.n, p.c, p.h, p.w}});
  Shape ws = p.transposed ? Shape{p.c, p.o / p.group, p.kh, p.kw} : Shape{p.o, p.c / p.group, p.kh, p.kw};
  Node node;
  node.name = "conv";
  node.op = p.transposed ? "ql.ConvTranspose" : "ql.Conv";
  auto constant = [&](const char* name, Tensor t) { return g.add_constant(name, std::move(t)); };
  node.inputs = {x};
  if (p.u8) {
    node.inputs.push_back(constant("w", make<int8_t>(ws, uniform(-128, 127))));
    node.inputs.push_back(constant("bias", make<int32_t>({p.o}, uniform(-20000, 20000))));
    node.inputs.push_back(
        constant("mult", make<float>({p.o}, [&] { return std::uniform_real_distribution<float>(1e-4f, 3e-3f)(rng); })));
  } else {
    node.inputs.push_back(constant("w", make<float>(ws, normal(0.3f))));
    node.inputs.push_back(constant("bias", make<float>({p.o}, normal(1))));
    node.inputs.push_back(kNoValue);
  }
  // lo <= z <= hi, with z at a bound where padding needs it to be reachable.
  std::vector<double> z, lo, hi;
  for (int c = 0; c < p.c; ++c) {
    double v = p.u8 ? uniform(0, 255)() : normal(1)();
    bool at_lo = p.lo && (!p.hi || c % 2 == 0);
    z.push_back(v);
    lo.push_back(at_lo ? v : p.u8 ? 0 : -1e30);
    hi.push_back(p.hi && !at_lo ? v : p.u8 ? 255 : 1e30);
  }
  auto channel_constant = [&](const char* name, const std::vector<double>& values) {
    size_t i = 0;
    auto next = [&] { return values[i++]; };
    return constant(name, p.u8 ? make<uint8_t>({p.c}, next) : make<float>({p.c}, next));
  };
  node.inputs.push_back(channel_constant("z", z));
  node.inputs.push_back(p.lo ? channel_constant("lo", lo) : kNoValue);
  node.inputs.push_back(p.hi ? channel_constant("hi", hi) : kNoValue);
  auto ints = [](std::initializer_list<int> v) { return std::vector<int64_t>(v.begin(), v.end()); };
  node.attrs.set("strides", ints({p.sh, p.sw}));
  node.attrs.set("dilations", ints({p.dh, p.dw}));
  node.attrs.set("pads", ints({p.pt, p.pl, p.pb, p.pr}));
  node.attrs.set("group", int64_t{p.group});
  if (p.transposed) node.attrs.set("output_padding", ints({p.oph, p.opw}));
  node.attrs.set("dtype", std::string(p.u8_out ? "u8" : "f32"));
  if (p.u8_out) {
    node.attrs.set("out_zero", int64_t{uniform(0, 200)()});
    node.attrs.set("out_lo", int64_t{p.seed % 2 ? 0 : 3});
    node.attrs.set("out_hi", int64_t{p.seed % 3 ? 255 : 201});
  } else {
    node.attrs.set("act", p.act);
    if (p.act == "clip") node.attrs.set("act_lo", -0.5f), node.attrs.set("act_hi", 2.5f);
    if (p.act == "leaky") node.attrs.set("alpha", 0.125f);
  }
  if (p.residual) {
    // The residual comes from a second input of the output's shape.
    auto types = infer_types(g, node, op_table());
    if (!types.ok()) return types.error();
    node.inputs.push_back(g.add_input("r", (*types)[0]));
    if (p.u8_out) node.attrs.set("residual_mult", 0.75f), node.attrs.set("residual_zero", int64_t{17});
  }
  if (p.slopes()) {
    node.inputs.resize(12, kNoValue);
    node.inputs[11] = constant("slope", make<float>({p.o}, normal(0.5f)));
  }
  QL_TRY(ValueId y, add_op(g, op_table(), node, "y"));
  if (p.has_table()) {
    Node lut{"lut",
             "ql.Lut",
             {},
             {y, constant("table", make<uint8_t>(p.seed % 4 ? Shape{256} : Shape{p.o, 256}, uniform(0, 255)))}};
    QL_TRY(y, add_op(g, op_table(), lut, "z"));
  }
  g.set_outputs({y});
  return g;
}

void expect_agreement(const Problem& p, Isa isa, int threads = 1) {
  auto graph = build(p);
  ASSERT_TRUE(graph.ok()) << p.text() << ": " << graph.error().text();
  PlanCheck check;
  check.isa = isa;
  check.threads = threads;
  check.expect_no_reference = true;
  EXPECT_EQ(check_plan(*graph, check), "") << p.text() << " on " << to_string(isa);
}

Problem random_problem(unsigned seed) {
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  Problem p;
  p.seed = seed;
  p.n = pick(1, 3);
  p.u8 = pick(0, 3) > 0;
  p.u8_out = p.u8 && pick(0, 3) > 0;
  p.transposed = pick(0, 3) == 0;
  p.group = pick(0, 3) ? 1 : pick(2, 5);
  p.c = p.group * pick(1, 9);
  p.o = p.group * pick(1, 9);
  p.kh = pick(1, 5), p.kw = pick(1, 5);
  p.dh = pick(1, 2), p.dw = pick(1, 2);
  p.sh = pick(1, 3), p.sw = pick(1, 3);
  p.h = pick(1, 20), p.w = pick(1, 40);
  p.pt = pick(0, p.kh), p.pb = pick(0, p.kh), p.pl = pick(0, p.kw), p.pr = pick(0, p.kw);
  p.h = std::max(p.h, p.dh * (p.kh - 1) + 1 - p.pt - p.pb + (p.transposed ? p.pt + p.pb : 0));
  p.w = std::max(p.w, p.dw * (p.kw - 1) + 1 - p.pl - p.pr + (p.transposed ? p.pl + p.pr : 0));
  if (p.transposed) {
    p.oph = pick(0, p.sh - 1), p.opw = pick(0, p.sw - 1);
    p.pt = p.pb = std::min(p.pt, p.kh - 1), p.pl = p.pr = std::min(p.pl, p.kw - 1);
    p.h += 2, p.w += 2;
  }
  p.lo = pick(0, 2) == 0, p.hi = pick(0, 3) == 0;
  p.residual = !p.transposed && pick(0, 3) == 0;
  const char* acts[] = {"", "clip", "leaky"};
  p.act = acts[pick(0, 2)];
  p.slope = pick(0, 2) == 0;
  p.table = pick(0, 2) == 0;
  return p;
}

TEST(ConvPlan, RandomProblemsAvx2) {
  for (unsigned seed = 1; seed <= 400; ++seed) expect_agreement(random_problem(seed), Isa::avx2, 1 + seed % 3);
}

TEST(ConvPlan, RandomProblemsAvx512) {
  for (Isa isa : {Isa::avx512, Isa::avx512_vnni})
    for (unsigned seed = 1000; seed <= 1060; ++seed) expect_agreement(random_problem(seed), isa);
}

TEST(ConvPlan, ChannelTailsOneToSeventeen) {
  for (int c = 1; c <= 17; ++c) {
    Problem p;
    p.c = c, p.o = 18 - c, p.h = 9, p.w = 17, p.seed = static_cast<unsigned>(c);
    expect_agreement(p, Isa::avx2);
  }
}

// Many channels: outputs in the lanes, strides and the holes of a transposed convolution are steps.
Problem wide_problem(unsigned seed, bool transposed) {
  Problem p = random_problem(seed);
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  p.transposed = transposed;
  p.residual = !transposed && p.residual;
  p.group = 1, p.c = pick(1, 40), p.o = pick(12, 70);
  p.kh = pick(1, 4), p.kw = pick(1, 4);
  p.sh = pick(1, 3), p.sw = pick(1, 3);
  p.h = pick(p.dh * (p.kh - 1) + 1, 20), p.w = pick(p.dw * (p.kw - 1) + 1, 25);
  p.pt = pick(0, p.kh - 1), p.pl = pick(0, p.kw - 1), p.pb = p.pt, p.pr = p.pl;
  if (!transposed) p.pb = pick(0, p.kh - 1), p.pr = pick(0, p.kw - 1);
  p.oph = transposed ? pick(0, p.sh - 1) : 0, p.opw = transposed ? pick(0, p.sw - 1) : 0;
  return p;
}

TEST(ConvPlan, ManyChannels) {
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    for (unsigned seed = 4000; seed <= 4060; ++seed) {
      expect_agreement(wide_problem(seed, false), isa, 1 + seed % 3);
      expect_agreement(wide_problem(seed, true), isa, 1 + seed % 3);
    }
}

// Strides that make more phases than a kernel takes: the taps become channels.
Problem large_stride_problem(unsigned seed) {
  Problem p = random_problem(seed);
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  p.transposed = false;
  p.c = p.group * pick(1, 5), p.o = p.group * pick(1, 20);
  p.sh = pick(5, 20), p.sw = pick(5, 20);
  p.kh = seed % 2 ? p.sh : pick(1, 12), p.kw = seed % 2 ? p.sw : pick(5, 12);
  p.dh = p.dw = seed % 5 ? 1 : 2;
  p.pt = pick(0, 3), p.pl = pick(0, 3), p.pb = pick(0, 3), p.pr = pick(0, 3);
  p.h = p.dh * (p.kh - 1) + 1 + pick(0, 40), p.w = p.dw * (p.kw - 1) + 1 + pick(0, 40);
  return p;
}

TEST(ConvPlan, LargeStrides) {
  for (Isa isa : {Isa::avx2, Isa::avx512_vnni})
    for (unsigned seed = 1; seed <= 60; ++seed) expect_agreement(large_stride_problem(seed), isa, 1 + seed % 3);
  for (auto [sh, sw] : {std::pair(2, 71), std::pair(40, 2), std::pair(17, 17)})
    for (bool u8 : {true, false}) {
      Problem p;
      p.sh = sh, p.sw = sw, p.h = 45, p.w = 80, p.kw = 5, p.u8 = p.u8_out = u8;
      expect_agreement(p, Isa::avx2);
    }
}

// More phases than are a convolution each: outputs of one, interleaved in one or two steps. Few taps of many outputs
// would fit the kernels with outputs in the lanes, but for their tiles.
TEST(ConvPlan, TransposedByLargeStrides) {
  for (auto [sh, sw] : {std::pair(9, 8), std::pair(20, 32), std::pair(18, 20)})
    for (int k : {3, 25, 40})
      for (unsigned seed = 1; seed <= 4; ++seed) {
        Problem p = random_problem(seed);
        p.transposed = true, p.residual = false, p.group = 1, p.dh = p.dw = 1;
        p.sh = sh, p.sw = sw, p.kh = p.kw = k, p.h = 3, p.w = 4, p.c = 5, p.o = seed % 2 ? 3 : 16;
        p.pt = p.pb = p.pl = p.pr = k / 3, p.oph = p.opw = 1;
        for (Isa isa : {Isa::avx2, Isa::avx512_vnni}) expect_agreement(p, isa);
      }
  Problem p;  // columns that are no product of two small numbers: the reference, not an error
  p.transposed = true, p.sh = p.sw = 17, p.h = p.w = 3, p.kh = p.kw = 20;
  auto graph = build(p);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_EQ(check_plan(*graph, {}), "") << p.text();
}

// One input channel a group: kernels of their own for u8 and f32.
Problem depthwise_problem(unsigned seed) {
  Problem p = random_problem(seed);
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  p.transposed = false;
  p.u8_out = p.u8 && pick(0, 9) > 0;
  p.c = p.group = pick(2, 13);
  p.o = p.c * (pick(0, 2) ? 1 : pick(2, 4));
  p.kh = p.kw = 2 * pick(1, 3) + 1;
  p.h = pick(p.dh * (p.kh - 1) + 1, 25), p.w = pick(p.dw * (p.kw - 1) + 1, 25);
  return p;
}

TEST(ConvPlan, DepthwiseAvx2) {
  for (unsigned seed = 1; seed <= 200; ++seed) expect_agreement(depthwise_problem(seed), Isa::avx2, 1 + seed % 3);
}

TEST(ConvPlan, DepthwiseAvx512) {
  for (Isa isa : {Isa::avx512, Isa::avx512_vnni})
    for (unsigned seed = 2000; seed <= 2030; ++seed) expect_agreement(depthwise_problem(seed), isa);
}

// 17 rows of 15 taps are more groups than a depthwise kernel takes: four in each row.
TEST(ConvPlan, DepthwiseOfTooManyTaps) {
  Problem p;
  p.c = p.o = p.group = 4, p.h = p.w = 20, p.kh = 17, p.kw = 15;
  for (Isa isa : {Isa::avx2, Isa::avx512_vnni}) expect_agreement(p, isa);
  p.sh = p.sw = 2, p.kh = p.kw = 9;  // and 27, where every row is for itself
  for (Isa isa : {Isa::avx2, Isa::avx512_vnni}) expect_agreement(p, isa);
}

// Few channels: columns become channels (fold_columns.h).
Problem first_layer_problem(unsigned seed) {
  Problem p = random_problem(seed);
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  p.transposed = false, p.u8 = true, p.u8_out = pick(0, 4) > 0;
  p.group = 1;
  p.c = pick(1, 6), p.o = pick(8, 40);
  p.kh = pick(1, 7), p.kw = pick(2, 7);
  p.h = pick(p.dh * (p.kh - 1) + 1, 25), p.w = pick(p.dw * (p.kw - 1) + 1, 25);
  return p;
}

TEST(ConvPlan, FirstLayersAvx2) {
  for (unsigned seed = 1; seed <= 200; ++seed) expect_agreement(first_layer_problem(seed), Isa::avx2, 1 + seed % 3);
}

TEST(ConvPlan, FirstLayersAvx512) {
  for (Isa isa : {Isa::avx512, Isa::avx512_vnni})
    for (unsigned seed = 3000; seed <= 3020; ++seed) expect_agreement(first_layer_problem(seed), isa);
}

}  // namespace
}  // namespace quadlane::testing
