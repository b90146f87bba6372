// Operators on dense tensors against their references: random shapes, axes and attributes.
#include "tests/compile/dense_check.h"

namespace quadlane::testing {
namespace {

TEST(DensePlan, Transpose) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 5), 20);
        std::vector<int64_t> perm(shape.size());
        for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
        std::shuffle(perm.begin(), perm.end(), rng);
        Node node{"t", "Transpose", {}, {b.input(shape, element(rng))}, {}};
        if (rng() % 4) node.attrs.set("perm", perm);
        return b.done({b.add(std::move(node))});
      },
      80);
}

TEST(DensePlan, Slice) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 20);
        std::vector<int64_t> starts, ends, axes, steps;
        for (size_t i = 0; i < shape.size(); ++i) {
          if (rng() % 3 == 0) continue;
          const bool back = rng() % 4 == 0;
          const int64_t from = pick(rng, 0, shape[i] - 1), to = pick(rng, from, shape[i] - 1);
          axes.push_back(static_cast<int64_t>(i));
          starts.push_back(back ? to : from);
          ends.push_back(back ? (from ? from - 1 : -shape[i] - 1) : to + 1);
          steps.push_back((back ? -1 : 1) * pick(rng, 1, 3));
        }
        const ValueId x = b.input(shape, element(rng));
        return b.done({b.add({"s", "Slice", {}, {x, b.ints(starts), b.ints(ends), b.ints(axes), b.ints(steps)}, {}})});
      },
      80);
}

TEST(DensePlan, ConcatAndSplit) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 20);
        const auto axis = static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        const DType dtype = element(rng);
        Node concat{"c", "Concat", {}, {}, {}};
        concat.attrs.set("axis", static_cast<int64_t>(axis));
        std::vector<int64_t> parts;
        for (int i = 0; i < 3; ++i) {
          Shape part = shape;
          parts.push_back(part[axis] = pick(rng, 1, 9));
          concat.inputs.push_back(b.input(part, dtype));
        }
        std::reverse(parts.begin(), parts.end());
        Node split{"s", "Split", {}, {b.add(std::move(concat)), b.ints(parts)}, {}};
        split.attrs.set("axis", static_cast<int64_t>(axis));
        const ValueId first = b.add(std::move(split));
        return b.done(b.g.at(b.g.at(first).producer).outputs);
      },
      60);
}

TEST(DensePlan, ExpandTilePad) {
  const char* modes[] = {"constant", "reflect", "edge", "wrap"};
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 7);
        const auto rank = static_cast<int64_t>(shape.size());
        const DType dtype = element(rng);
        Shape target = shape;
        for (int64_t& e : target)
          if (e == 1) e = pick(rng, 1, 5);
        const ValueId x = b.input(shape, dtype);
        const ValueId expanded = b.add({"e", "Expand", {}, {x, b.ints(target)}, {}});
        std::vector<int64_t> repeats, pads;
        for (int64_t i = 0; i < rank; ++i) repeats.push_back(pick(rng, 1, 3));
        for (int64_t i = 0; i < 2 * rank; ++i) pads.push_back(pick(rng, 0, 3));
        const ValueId tiled = b.add({"t", "Tile", {}, {expanded, b.ints(repeats)}, {}});
        Node pad{"p", "Pad", {}, {tiled, b.ints(pads)}, {}};
        pad.attrs.set("mode", std::string(modes[rng() % 4]));
        return b.done({b.add(std::move(pad))});
      },
      60);
}

TEST(DensePlan, Binary) {
  const char* ops[] = {"Add", "Sub", "Mul", "Min", "Max", "Less", "GreaterOrEqual", "Equal", "PRelu"};
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 12);
        const std::string op = ops[rng() % 9];
        const bool swap = rng() % 2 && op != "PRelu";
        const ValueId x = b.input(shape), y = b.input(narrower(shape, rng));
        return b.done({b.add({"b", op, {}, {swap ? y : x, swap ? x : y}, {}})});
      },
      120);
}

TEST(DensePlan, Where) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 12);
        const ValueId x = b.input(shape), y = b.input(narrower(shape, rng)), z = b.input(narrower(shape, rng));
        const ValueId less = b.add({"l", "Less", {}, {rng() % 2 ? x : y, z}, {}});
        return b.done({b.add({"w", "Where", {}, {less, rng() % 2 ? x : y, rng() % 2 ? x : z}, {}})});
      },
      60);
}

TEST(DensePlan, Unary) {
  const char* ops[] = {"Abs",      "Neg",
                       "Exp",      "Erf",
                       "Tanh",     "Sigmoid",
                       "Floor",    "Ceil",
                       "Round",    "Sign",
                       "Relu",     "LeakyRelu",
                       "Elu",      "Celu",
                       "Selu",     "HardSigmoid",
                       "Softplus", "HardSwish",
                       "Softsign", "Mish",
                       "Gelu",     "ThresholdedRelu",
                       "Sin",      "Cos"};
  int next = 0;
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const std::string op = ops[next++ % std::size(ops)];
        return b.done({b.add({"u", op, {}, {b.input(random_shape(rng, pick(rng, 1, 3), 30))}, {}})});
      },
      2 * static_cast<int>(std::size(ops)), 2e-6);
}

TEST(DensePlan, PositiveUnary) {  // of |x| + 0.1
  const char* ops[] = {"Sqrt", "Log", "Reciprocal"};
  int next = 0;
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const ValueId magnitude = b.add({"a", "Abs", {}, {b.input(random_shape(rng, 2, 30))}, {}});
        const ValueId tenth = b.g.add_constant("tenth", Tensor::scalar(0.1f));
        const ValueId positive = b.add({"p", "Add", {}, {magnitude, tenth}, {}});
        return b.done({b.add({"u", ops[next++ % 3], {}, {positive}, {}})});
      },
      12, 2e-6);
}

TEST(DensePlan, Softmax) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 12);
        Node node{"s", rng() % 3 ? "Softmax" : "LogSoftmax", {}, {b.input(shape)}, {}};
        node.attrs.set("axis", pick(rng, -static_cast<int64_t>(shape.size()), static_cast<int64_t>(shape.size()) - 1));
        return b.done({b.add(std::move(node))});
      },
      60);
}

TEST(DensePlan, Reduce) {
  const char* ops[] = {"ReduceSum", "ReduceMean", "ReduceMax",       "ReduceMin",
                       "ReduceL1",  "ReduceL2",   "ReduceSumSquare", "ReduceProd"};
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 12);
        const int64_t rank = static_cast<int64_t>(shape.size()), first = pick(rng, 0, rank - 1);
        std::vector<int64_t> axes;
        for (int64_t i = first, last = pick(rng, first, rank - 1); i <= last; ++i) axes.push_back(i);
        Node node{"r", ops[rng() % 8], {}, {b.input(shape)}, {}};
        if (rng() % 5) node.inputs.push_back(b.ints(axes));
        node.attrs.set("keepdims", static_cast<int64_t>(rng() % 2));
        return b.done({b.add(std::move(node))});
      },
      100);
}

TEST(DensePlan, Resize) {
  const char* modes[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"};
  check(
      [&](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 9);
        std::vector<int64_t> sizes = shape;
        for (size_t i = 0; i < sizes.size(); ++i)
          if (rng() % 2 || i == 0) sizes[i] = pick(rng, 1, 2 * sizes[i] + 2);
        if (sizes == shape) sizes[0] += 1;
        Node node{"r", "Resize", {}, {b.input(shape), kNoValue, kNoValue, b.ints(sizes)}, {}};
        const bool cubic = shape.size() == 4 || rng() % 2;  // linear images have planes
        node.attrs.set("mode", std::string(cubic ? "cubic" : "linear"));
        node.attrs.set("coordinate_transformation_mode", std::string(modes[rng() % 4]));
        if (rng() % 3 == 0) node.attrs.set("antialias", int64_t{1});
        if (rng() % 3 == 0) node.attrs.set("exclude_outside", int64_t{1});
        return b.done({b.add(std::move(node))});
      },
      60);
}

// Where nothing has planes: behind NHWC inputs, in attention, of sequences.
TEST(DensePlan, BatchNormalization) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        Shape shape = random_shape(rng, pick(rng, 2, 5), 9);
        std::vector<ValueId> inputs{b.input(shape)};
        for (int i = 0; i < 4; ++i) {
          std::vector<float> values;
          for (int64_t c = 0; c < shape[1]; ++c)
            values.push_back(0.25f * static_cast<float>(pick(rng, i < 3 ? -8 : 1, 8)));
          inputs.push_back(b.g.add_constant("p", Tensor::from<float>({shape[1]}, values)));
        }
        return b.done({b.add({"n", "BatchNormalization", {}, inputs, {}})});
      },
      40);
}

TEST(DensePlan, TableOfBytes) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        std::vector<uint8_t> table(256);
        for (uint8_t& entry : table) entry = static_cast<uint8_t>(rng());
        const ValueId x = b.input(random_shape(rng, pick(rng, 1, 3), 20), DType::u8);
        return b.done(
            {b.add({"t", "ql.Lut", {}, {x, b.g.add_constant("t", Tensor::from<uint8_t>({256}, table))}, {}})});
      },
      20);
}

TEST(DensePlan, LayerNormalization) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        Shape shape = random_shape(rng, pick(rng, 1, 4), 12);
        shape.back() += 4;
        const auto axis = static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        const Shape row(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
        Node node{"n", rng() % 3 ? "LayerNormalization" : "RMSNormalization", {}, {b.input(shape), b.input(row)}, {}};
        if (node.op[0] == 'L' && rng() % 2) node.inputs.push_back(b.input(row));
        node.attrs.set("axis", static_cast<int64_t>(axis));
        return b.done({b.add(std::move(node))});
      },
      30);
}

TEST(DensePlan, ArgMax) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 12);
        const ValueId rounded = b.add({"r", "Round", {}, {b.input(shape)}, {}});  // equal elements occur
        Node node{"a", rng() % 2 ? "ArgMax" : "ArgMin", {}, {rounded}, {}};
        node.attrs.set("axis", pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        node.attrs.set("select_last_index", static_cast<int64_t>(rng() % 2));
        return b.done({b.add(std::move(node))});
      },
      60);
}

TEST(DensePlan, TopKAndCumSum) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 12);
        const int64_t axis = pick(rng, 0, static_cast<int64_t>(shape.size()) - 1);
        const ValueId x = b.input(shape);
        const ValueId rounded = b.add({"r", "Round", {}, {x}, {}});  // equal elements occur
        Node top{"t", "TopK", {}, {rounded, b.ints({pick(rng, 1, shape[static_cast<size_t>(axis)])})}, {}};
        top.attrs.set("axis", axis);
        top.attrs.set("largest", static_cast<int64_t>(rng() % 2));
        const ValueId values = b.add(std::move(top));
        Node sum{"c", "CumSum", {}, {x, b.g.add_constant("axis", Tensor::scalar<int64_t>(axis))}, {}};
        sum.attrs.set("exclusive", static_cast<int64_t>(rng() % 2));
        sum.attrs.set("reverse", static_cast<int64_t>(rng() % 2));
        return b.done({values, b.g.at(b.g.at(values).producer).outputs[1], b.add(std::move(sum))});
      },
      40);
}

TEST(DensePlan, QuantizeAndBack) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 20);
        const auto axis = static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        const bool each = rng() % 2, is_signed = rng() % 2;
        const int64_t n = each ? shape[axis] : 1;
        std::vector<float> scales;
        Tensor zeros = *Tensor::allocate({is_signed ? DType::s8 : DType::u8, each ? Shape{n} : Shape{}});
        for (int64_t i = 0; i < n; ++i) {
          scales.push_back(0.01f * static_cast<float>(pick(rng, 1, 9)));
          zeros.mutate<uint8_t>()[i] = static_cast<uint8_t>(rng());
        }
        const ValueId scale = b.g.add_constant("scale", Tensor::from<float>(zeros.shape(), scales));
        const ValueId zero = b.g.add_constant("zero", zeros);
        Node quantize{"q", "QuantizeLinear", {}, {b.input(shape), scale, zero}, {}};
        quantize.attrs.set("axis", static_cast<int64_t>(axis));
        const ValueId q = b.add(std::move(quantize));
        Node back{"d", "DequantizeLinear", {}, {q, scale, zero}, {}};
        back.attrs.set("axis", static_cast<int64_t>(axis));
        return b.done({q, b.add(std::move(back))});
      },
      60);
}

TEST(DensePlan, ViewsCostNothing) {
  Rng rng(1);
  Builder b{{}, rng};
  const ValueId x = b.input({2, 3, 40});
  const ValueId y = b.add({"exp", "Exp", {}, {x}, {}});
  const ValueId z = b.add({"reshape", "Reshape", {}, {y, b.ints({6, 40})}, {}});
  Node transpose{"t", "Transpose", {}, {b.add({"u", "Unsqueeze", {}, {z, b.ints({1})}, {}})}, {}};
  transpose.attrs.set("perm", std::vector<int64_t>{1, 0, 2});
  const Graph g = b.done({b.add(std::move(transpose))});
  compile::CompileOptions options;
  options.isa = Isa::avx2;
  auto plan = compile::compile(g, op_table(), options);
  ASSERT_TRUE(plan.ok()) << plan.error().text();
  EXPECT_EQ((*plan)->steps.size(), 1u);
  EXPECT_EQ((*plan)->arena_bytes, 0u);  // written straight into the caller's output
  EXPECT_EQ(check_plan(g), "");
}

}  // namespace
}  // namespace quadlane::testing
