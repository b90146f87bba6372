// Operators that move elements: hand-made corners, and element-by-element formulas over random problems.
#include "tests/ops/index.h"

namespace quadlane::test {
namespace {

TEST(Transpose, MatchesTheFormula) {
  Random random(5);
  for (int trial = 0; trial < 60; ++trial) {
    Tensor x = iota(random_shape(random, 0, 5));
    size_t rank = x.shape().size();
    std::vector<int64_t> perm(rank);
    for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(i);
    for (size_t i = rank; i > 1; --i)
      std::swap(perm[i - 1], perm[static_cast<size_t>(random.between(0, static_cast<int64_t>(i) - 1))]);
    Tensor y = must("Transpose", {x}, {{"perm", perm}});
    for_each_index(y.shape(), [&](const std::vector<int64_t>& index, int64_t i) {
      std::vector<int64_t> from(rank);
      for (size_t a = 0; a < rank; ++a) from[static_cast<size_t>(perm[a])] = index[a];
      ASSERT_EQ(y.as<float>()[i], element(x, from));
    });
  }
  EXPECT_EQ(must("Transpose", {iota({2, 3, 4})}).shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(error_of("Transpose", {iota({2, 3})}, {{"perm", Ints{0}}}),
            "node 'n' (Transpose): attribute 'perm' has 1 entries, the input has rank 2");
  EXPECT_NE(error_of("Transpose", {iota({2, 3})}, {{"perm", Ints{0, 0}}}), "");
}

TEST(DepthToSpace, BothOrdersAndTheInverse) {
  AttrList block{{"blocksize", int64_t{2}}}, crd = block;
  crd.push_back({"mode", std::string("CRD")});
  Tensor x = iota({1, 8, 1, 2});
  // DCR: channel = (row offset * 2 + column offset) * 2 + c; CRD: c * 4 + offsets.
  EXPECT_EQ(values<float>(must("DepthToSpace", {x}, block)),
            (std::vector<float>{0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}));
  EXPECT_EQ(values<float>(must("DepthToSpace", {x}, crd)),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
  Tensor large = iota({2, 18, 3, 5});
  AttrList three{{"blocksize", int64_t{3}}};
  Tensor back = must("SpaceToDepth", {must("DepthToSpace", {large}, three)}, three);
  EXPECT_EQ(back.shape(), large.shape());
  EXPECT_EQ(values<float>(back), values<float>(large));
  EXPECT_EQ(error_of("DepthToSpace", {iota({1, 6, 2, 2})}, block),
            "node 'n' (DepthToSpace): input has 6 channels, no multiple of blocksize^2 = 4");
  EXPECT_EQ(error_of("SpaceToDepth", {iota({1, 1, 3, 2})}, block),
            "node 'n' (SpaceToDepth): input is 3x2 pixels, no multiple of blocksize 2");
  for (int64_t bad : {int64_t{0}, int64_t{-2}, INT64_MAX})
    EXPECT_NE(error_of("DepthToSpace", {x}, {{"blocksize", bad}}), "") << bad;
  EXPECT_NE(error_of("SpaceToDepth", {x}), "");
}

// The elements ONNX's slice takes: Python's, but a start before the axis counts as its first element for negative steps
// too.
std::vector<int64_t> taken_by_slice(int64_t start, int64_t end, int64_t step, int64_t extent) {
  std::vector<int64_t> taken;
  __int128 i = start < 0 ? __int128{start} + extent : start, last = end < 0 ? __int128{end} + extent : end;
  i = std::max<__int128>(i, 0);
  if (step < 0) i = std::min<__int128>(i, extent - 1);
  for (; step > 0 ? i < last && i < extent : i > last && i >= 0; i += step) taken.push_back(static_cast<int64_t>(i));
  return taken;
}

TEST(Slice, MatchesTheFormulaForSmallAndExtremeBounds) {
  const int64_t bounds[] = {INT64_MIN, -7, -6, -5, -2, -1, 0, 1, 3, 4, 5, 6, INT64_MAX};
  const int64_t steps[] = {INT64_MIN, INT64_MIN + 1, -6, -2, -1, 1, 2, 3, 7, INT64_MAX};
  Tensor x = iota({5});
  for (int64_t start : bounds)
    for (int64_t end : bounds)
      for (int64_t step : steps) {
        std::vector<int64_t> expected = taken_by_slice(start, end, step, 5);
        std::vector<float> y = values<float>(must("Slice", {x, ints({start}), ints({end}), ints({0}), ints({step})}));
        ASSERT_EQ(y, std::vector<float>(expected.begin(), expected.end())) << start << ":" << end << ":" << step;
      }
}

TEST(Slice, SeveralAxes) {
  Random random(6);
  for (int trial = 0; trial < 60; ++trial) {
    Tensor x = iota(random_shape(random, 1, 4));
    size_t rank = x.shape().size();
    std::vector<int64_t> starts, ends, axes, steps;
    std::vector<std::vector<int64_t>> taken(rank);
    for (size_t a = 0; a < rank; ++a) {
      int64_t extent = x.shape()[a];
      bool whole = random.between(0, 3) == 0;
      int64_t start = random.between(-6, 6), end = random.between(-6, 6), step = random.between(1, 3);
      if (random.between(0, 1)) step = -step;
      taken[a] = whole ? taken_by_slice(0, extent, 1, extent) : taken_by_slice(start, end, step, extent);
      if (whole) continue;
      starts.push_back(start), ends.push_back(end), steps.push_back(step);
      axes.push_back(random.between(0, 1) ? static_cast<int64_t>(a)
                                          : static_cast<int64_t>(a) - static_cast<int64_t>(rank));
    }
    Tensor y = must("Slice", {x, ints(starts), ints(ends), ints(axes), ints(steps)});
    for_each_index(y.shape(), [&](const std::vector<int64_t>& index, int64_t i) {
      std::vector<int64_t> from(rank);
      for (size_t a = 0; a < rank; ++a) from[a] = taken[a][static_cast<size_t>(index[a])];
      ASSERT_EQ(y.as<float>()[i], element(x, from));
    });
  }
}

TEST(Slice, Errors) {
  Tensor x = iota({5});
  EXPECT_EQ(error_of("Slice", {x, ints({0}), ints({1}), ints({0}), ints({0})}),
            "node 'n' (Slice): step of axis 0 is 0");
  EXPECT_EQ(error_of("Slice", {x, ints({0}), ints({1}), ints({1})}),
            "node 'n' (Slice): axis 1 does not exist in rank 1");
  EXPECT_EQ(error_of("Slice", {x, ints({0}), ints({1, 2})}),
            "node 'n' (Slice): there are 1 starts, 2 ends, 1 axes and 1 steps");
  EXPECT_NE(error_of("Slice", {x, ints({0, 0}), ints({1, 1})}), "");
}

TEST(Split, PartsAndConcatBack) {
  Graph g;
  Tensor x = iota({2, 7});
  auto parts_of = [&](std::vector<Tensor> inputs, const AttrList& attrs) {
    Node node{"n", "Split", {}, {}, {}};
    std::vector<const Tensor*> pointers;
    for (const Tensor& t : inputs) {
      node.inputs.push_back(g.add_constant("c", t));
      pointers.push_back(&t);
    }
    for (const auto& [name, value] : attrs) node.attrs.set(name, value);
    auto y = add_op(g, op_table(), std::move(node));
    EXPECT_TRUE(y.ok());
    return *eval_node(g, *g.producer(*y), op_table(), pointers);
  };
  for (const auto& parts :
       {parts_of({x}, {{"axis", int64_t{1}}, {"num_outputs", int64_t{3}}}), parts_of({x, ints({3, 3, 1})}, axis(-1))}) {
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[2].shape(), (Shape{2, 1}));
    EXPECT_EQ(values<float>(parts[1]), (std::vector<float>{3, 4, 5, 10, 11, 12}));
    EXPECT_EQ(values<float>(must("Concat", {parts[0], parts[1], parts[2]}, axis(1))), values<float>(x));
  }
  EXPECT_EQ(error_of("Split", {x, ints({3, 3})}, axis(1)),
            "node 'n' (Split): split [3,3] has a sum of 6, the axis has an extent of 7");
  EXPECT_EQ(error_of("Split", {x, ints({8, -1})}, axis(1)), "node 'n' (Split): split [8,-1] has a negative part");
  EXPECT_EQ(error_of("Split", {x}), "node 'n' (Split): neither a split input nor attribute 'num_outputs' is given");
  EXPECT_NE(error_of("Split", {x}, {{"num_outputs", int64_t{0}}}), "");
  EXPECT_NE(error_of("Split", {x}, {{"num_outputs", INT64_MAX}}), "");
}

TEST(Concat, AxesAndErrors) {
  EXPECT_EQ(values<float>(must("Concat", {iota({1, 2}), iota({2, 2})}, axis(0))),
            (std::vector<float>{0, 1, 0, 1, 2, 3}));
  EXPECT_EQ(values<float>(must("Concat", {iota({2, 1}), iota({2, 0}), iota({2, 2})}, axis(-1))),
            (std::vector<float>{0, 0, 1, 1, 2, 3}));
  EXPECT_EQ(error_of("Concat", {iota({2, 1}), iota({3, 1})}, axis(1)),
            "node 'n' (Concat): input 1 has shape [3,1], input 0 has [2,1]: they differ outside axis 1");
  EXPECT_NE(error_of("Concat", {iota({2}), iota({2, 1})}, axis(0)), "");
  EXPECT_NE(error_of("Concat", {Tensor::scalar(1.0F)}, axis(0)), "");
  EXPECT_EQ(error_of("Concat", {iota({2})}), "node 'n' (Concat): attribute 'axis' is absent");
}

TEST(Expand, BroadcastsBothWays) {
  EXPECT_EQ(values<float>(must("Expand", {floats({2, 1}, {1, 2}), ints({3})})), (std::vector<float>{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(must("Expand", {iota({3, 1}), ints({2, 1, 4})}).shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(must("Expand", {iota({1}), ints({0})}).shape(), (Shape{0}));
  EXPECT_EQ(values<float>(must("Expand", {Tensor::scalar(7.0F), ints({2})})), (std::vector<float>{7, 7}));
  EXPECT_NE(error_of("Expand", {iota({3}), ints({2})}), "");
  EXPECT_NE(error_of("Expand", {iota({1}), ints({-1})}), "");
  EXPECT_NE(error_of("Expand", {iota({1}), ints({1 << 20, 1 << 20})}), "");
}

TEST(Tile, MatchesTheFormula) {
  Random random(7);
  for (int trial = 0; trial < 40; ++trial) {
    Tensor x = iota(random_shape(random, 0, 4, 3));
    std::vector<int64_t> repeats(x.shape().size());
    for (int64_t& r : repeats) r = random.between(0, 9) ? random.between(1, 3) : 0;
    Tensor y = must("Tile", {x, ints(repeats)});
    for_each_index(y.shape(), [&](const std::vector<int64_t>& index, int64_t i) {
      std::vector<int64_t> from(index);
      for (size_t a = 0; a < from.size(); ++a) from[a] %= x.shape()[a];
      ASSERT_EQ(y.as<float>()[i], element(x, from));
    });
  }
  EXPECT_NE(error_of("Tile", {iota({2}), ints({1, 1})}), "");
  EXPECT_NE(error_of("Tile", {iota({2}), ints({INT64_MAX})}), "");
  EXPECT_NE(error_of("Tile", {iota({2}), ints({-1})}), "");
}

TEST(Pad, Modes) {
  Tensor x = iota({4}, 1);
  auto padded = [&](const char* mode, int64_t before, int64_t after) {
    return values<float>(must("Pad", {x, ints({before, after})}, {{"mode", std::string(mode)}}));
  };
  EXPECT_EQ(padded("constant", 2, 1), (std::vector<float>{0, 0, 1, 2, 3, 4, 0}));
  EXPECT_EQ(padded("edge", 2, 1), (std::vector<float>{1, 1, 1, 2, 3, 4, 4}));
  EXPECT_EQ(padded("reflect", 3, 2), (std::vector<float>{4, 3, 2, 1, 2, 3, 4, 3, 2}));
  EXPECT_EQ(padded("reflect", 0, 7), (std::vector<float>{1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3}));
  EXPECT_EQ(padded("wrap", 5, 2), (std::vector<float>{4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2}));
  EXPECT_EQ(padded("constant", -1, -1), (std::vector<float>{2, 3}));
  EXPECT_EQ(padded("constant", -1, 2), (std::vector<float>{2, 3, 4, 0, 0}));
  EXPECT_EQ(padded("constant", -4, 0), (std::vector<float>{}));
  EXPECT_EQ(values<float>(must("Pad", {x, ints({0, 1}), Tensor::scalar(9.0F)})), (std::vector<float>{1, 2, 3, 4, 9}));
  EXPECT_EQ(values<float>(must("Pad", {iota({1}, 5), ints({1, 1})}, {{"mode", std::string("reflect")}})),
            (std::vector<float>{5, 5, 5}));
  EXPECT_EQ(must("Pad", {iota({2, 3}), ints({1, 2}), Tensor(), ints({-1})}).shape(), (Shape{2, 6}));
  EXPECT_EQ(must("Pad", {Tensor::scalar(3.0F), ints({})}).shape(), Shape{});
}

TEST(Pad, MatchesTheFormulaInManyAxes) {
  Random random(8);
  for (int trial = 0; trial < 60; ++trial) {
    Tensor x = iota(random_shape(random, 1, 4), 1);
    size_t rank = x.shape().size();
    std::vector<int64_t> pads(2 * rank);
    for (int64_t& pad : pads) pad = random.between(0, 3);
    bool edge = random.between(0, 1) == 1;
    Tensor y = must("Pad", {x, ints(pads), Tensor::scalar(-5.0F)}, {{"mode", std::string(edge ? "edge" : "constant")}});
    for_each_index(y.shape(), [&](const std::vector<int64_t>& index, int64_t i) {
      std::vector<int64_t> from(rank);
      bool inside = true;
      for (size_t a = 0; a < rank; ++a) {
        from[a] = index[a] - pads[a];
        inside = inside && from[a] >= 0 && from[a] < x.shape()[a];
        if (edge) from[a] = std::clamp<int64_t>(from[a], 0, x.shape()[a] - 1);
      }
      ASSERT_EQ(y.as<float>()[i], inside || edge ? element(x, from) : -5);
    });
  }
}

TEST(Pad, Errors) {
  Tensor x = iota({4});
  EXPECT_EQ(error_of("Pad", {x, ints({-3, -2})}),
            "node 'n' (Pad): pads -3 and -2 of axis 0 crop more than its extent 4");
  EXPECT_EQ(error_of("Pad", {x, ints({1})}), "node 'n' (Pad): there are 1 pads, expected 2 for each of 1 axes");
  EXPECT_EQ(error_of("Pad", {iota({0}), ints({1, 0})}, {{"mode", std::string("edge")}}),
            "node 'n' (Pad): axis 0 has extent 0, which mode edge cannot pad to 1");
  EXPECT_NE(error_of("Pad", {x, ints({INT64_MIN, INT64_MAX})}), "");
  EXPECT_NE(error_of("Pad", {x, ints({INT64_MAX, INT64_MAX})}), "");
  EXPECT_NE(error_of("Pad", {x, ints({0, 0})}, {{"mode", std::string("mirror")}}), "");
  EXPECT_NE(error_of("Pad", {x, ints({0, 0}), Tensor::scalar<int32_t>(0)}), "");
}

TEST(Gather, ReplacesAnAxis) {
  Tensor x = iota({3, 4});
  Tensor y = must("Gather", {x, Tensor::from<int32_t>({2, 1}, std::vector<int32_t>{2, -3})}, axis(0));
  EXPECT_EQ(y.shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(values<float>(y), (std::vector<float>{8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_EQ(values<float>(must("Gather", {x, Tensor::scalar<int64_t>(-1)}, axis(1))), (std::vector<float>{3, 7, 11}));
  EXPECT_EQ(must("Gather", {x, ints({})}, axis(1)).shape(), (Shape{3, 0}));
  EXPECT_EQ(error_of("Gather", {x, ints({3})}), "node 'n' (Gather): element 0 of the indices is 3, expected -3 to 2");
  EXPECT_NE(error_of("Gather", {x, ints({INT64_MIN})}), "");
  EXPECT_NE(error_of("Gather", {x, iota({1})}), "");
  EXPECT_NE(error_of("Gather", {Tensor::scalar(1.0F), ints({0})}), "");
}

TEST(GatherElements, PicksByIndex) {
  Tensor x = iota({3, 3}, 1);
  Tensor index = Tensor::from<int64_t>({2, 3}, std::vector<int64_t>{1, 2, 0, -1, 0, 0});
  EXPECT_EQ(values<float>(must("GatherElements", {x, index}, axis(0))), (std::vector<float>{4, 8, 3, 7, 2, 3}));
  EXPECT_EQ(values<float>(must("GatherElements", {x, index}, axis(1))), (std::vector<float>{2, 3, 1, 6, 4, 4}));
  EXPECT_NE(error_of("GatherElements", {iota({1, 3}), index}, axis(1)), "");
  EXPECT_NE(error_of("GatherElements", {x, ints({0})}), "");
  EXPECT_NE(error_of("GatherElements", {x, Tensor::from<int64_t>({1, 1}, std::vector<int64_t>{3})}), "");
}

TEST(GatherND, CoordinatesAndBatches) {
  Tensor x = iota({2, 2, 2});
  auto nd = [](const Shape& shape, std::vector<int64_t> data) { return Tensor::from<int64_t>(shape, data); };
  EXPECT_EQ(values<float>(must("GatherND", {x, nd({2, 3}, {0, 1, 1, 1, 0, -1})})), (std::vector<float>{3, 5}));
  EXPECT_EQ(values<float>(must("GatherND", {x, nd({2, 1}, {1, 0})})), (std::vector<float>{4, 5, 6, 7, 0, 1, 2, 3}));
  EXPECT_EQ(values<float>(must("GatherND", {x, nd({2, 1}, {1, 0})}, {{"batch_dims", int64_t{1}}})),
            (std::vector<float>{2, 3, 4, 5}));
  EXPECT_NE(error_of("GatherND", {x, nd({1, 4}, {0, 0, 0, 0})}), "");
  EXPECT_NE(error_of("GatherND", {x, nd({1, 1}, {2})}), "");
  EXPECT_NE(error_of("GatherND", {x, nd({1, 0}, {})}), "");
  EXPECT_NE(error_of("GatherND", {x, nd({3, 1}, {0, 0, 0})}, {{"batch_dims", int64_t{1}}}), "");
}

// Operators that only move elements do so for every element size.
TEST(Movement, EveryElementType) {
  for (int d = 0; d <= static_cast<int>(DType::boolean); ++d) {
    AttrList to{{"to", std::string(to_string(static_cast<DType>(d)))}};
    auto typed = [&](Tensor t) { return must("Cast", {t}, to); };
    Tensor x = floats({2, 2}, {1, 0, 0, 1});
    auto same = [&](const char* op, std::vector<Tensor> rest, const AttrList& attrs) {
      std::vector<Tensor> wide{x}, narrow{typed(x)};
      for (const Tensor& t : rest) wide.push_back(t), narrow.push_back(t);
      Tensor expected = typed(must(op, wide, attrs)), y = must(op, narrow, attrs);
      ASSERT_EQ(y.type(), expected.type()) << op;
      EXPECT_EQ(std::string(y.as<char>(), y.type().bytes()), std::string(expected.as<char>(), expected.type().bytes()))
          << op;
    };
    same("Transpose", {}, {});
    same("Slice", {ints({1}), ints({-9}), ints({1}), ints({-1})}, {});
    same("Tile", {ints({2, 2})}, {});
    same("Expand", {ints({2, 2, 2})}, {});
    same("Pad", {ints({1, 0, 0, 1})}, {});
    same("Gather", {ints({1, 0, 0})}, axis(1));
    same("GatherElements", {Tensor::from<int64_t>({1, 2}, Ints{1, 0})}, axis(0));
    same("Trilu", {}, {});
  }
}

// Shape -> Gather -> Concat -> Reshape, the glue exporters write around a reshape, computes on constants alone.

}  // namespace
}  // namespace quadlane::test
