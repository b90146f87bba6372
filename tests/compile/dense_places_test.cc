// Operators that read or write places which come with the data, against their references.
#include "tests/compile/dense_check.h"

namespace quadlane::testing {
namespace {

TEST(DensePlan, Gather) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 3), 12);
        const auto axis = static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        std::vector<int64_t> indices;
        for (int64_t i = pick(rng, 1, 6); i > 0; --i) indices.push_back(pick(rng, -shape[axis], shape[axis] - 1));
        Node node{"g", "Gather", {}, {b.input(shape, element(rng)), b.ints(indices)}, {}};
        node.attrs.set("axis", static_cast<int64_t>(axis));
        return b.done({b.add(std::move(node))});
      },
      40);
}

TEST(DensePlan, GridSample) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int64_t align : {0, 1})
        check(
            [&](Rng& rng) {
              Builder b{{}, rng};
              const int64_t n = pick(rng, 1, 2);
              Shape in{n, pick(rng, 1, 3), pick(rng, 1, 9), pick(rng, 1, 9)},
                  places{n, pick(rng, 1, 20), pick(rng, 1, 40), 2};
              if (mode[0] != 'c' && rng() % 3 == 0)
                in.push_back(pick(rng, 1, 9)), places = {n, 3, 4, pick(rng, 1, 40), 3};
              const ValueId x = b.input(in), grid = b.g.add_input("grid", {DType::f32, places});
              Node sample{"s", "GridSample", {}, {x, grid}, {}};
              sample.attrs.set("mode", std::string(mode));
              sample.attrs.set("padding_mode", std::string(padding));
              sample.attrs.set("align_corners", align);
              return b.done({b.add(std::move(sample))});
            },
            10);
}

TEST(DensePlan, DeformConv) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const int64_t n = pick(rng, 1, 2), groups = pick(rng, 1, 2), kh = pick(rng, 1, 3), kw = pick(rng, 1, 3);
        const int64_t h = pick(rng, 5, 12), w = pick(rng, 5, 30), stride = pick(rng, 1, 2), dilation = pick(rng, 1, 2);
        const int64_t pad = pick(rng, 0, 2), taps = groups * kh * kw;
        const int64_t oh = (h + pad + 1 - dilation * (kh - 1) - 1) / stride + 1;
        const int64_t ow = (w + pad + 1 - dilation * (kw - 1) - 1) / stride + 1;
        const int64_t group = pick(rng, 1, 2), channels = groups * group * pick(rng, 1, 3);
        const int64_t outputs = group * pick(rng, 1, 9);
        std::vector<float> values(static_cast<size_t>(outputs * channels / group * kh * kw));
        for (float& v : values) v = 0.25f * static_cast<float>(pick(rng, -8, 8));
        const Shape w_shape{outputs, channels / group, kh, kw};
        const ValueId x = b.input({n, channels, h, w}),
                      weights = b.g.add_constant("w", Tensor::from<float>(w_shape, values));
        Node node{"d", "DeformConv", {}, {x, weights, b.input({n, 2 * taps, oh, ow}), kNoValue, kNoValue}, {}};
        if (group == 1) node.inputs[3] = b.input({outputs});
        if (rng() % 2) node.inputs[4] = b.input({n, taps, oh, ow});
        node.attrs.set("group", group);
        node.attrs.set("strides", std::vector<int64_t>{stride, stride});
        node.attrs.set("dilations", std::vector<int64_t>{dilation, dilation});
        node.attrs.set("pads", std::vector<int64_t>{pad, pad, 1, 1});
        node.attrs.set("offset_group", groups);
        return b.done({b.add(std::move(node))});
      },
      40);
}

// Coordinates into the extents of `shape` from axis `first` on, some counted from the end; `all` such tuples.
ValueId coordinates(Builder& b, const Shape& shape, size_t first, size_t depth, const Shape& lists, bool wide) {
  std::vector<int64_t> values;
  for (int64_t i = elements(lists); i > 0; --i)
    for (size_t d = 0; d < depth; ++d) {
      const int64_t extent = shape[first + d];
      values.push_back(pick(b.rng, b.rng() % 3 ? 0 : -extent, extent - 1));
    }
  Shape list = lists;
  list.push_back(static_cast<int64_t>(depth));
  if (wide) return b.g.add_constant("places", Tensor::from<int64_t>(list, values));
  return b.g.add_constant("places", Tensor::from<int32_t>(list, std::vector<int32_t>(values.begin(), values.end())));
}

TEST(DensePlan, GatherND) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 7);
        const auto rank = static_cast<int64_t>(shape.size());
        const int64_t batch = pick(rng, 0, rank - 1), depth = pick(rng, 1, rank - batch);
        Shape lists(shape.begin(), shape.begin() + batch);
        for (int64_t i = pick(rng, 0, 2); i > 0; --i) lists.push_back(pick(rng, 1, 6));
        const ValueId x = b.input(shape, element(rng));
        Node node{"g",
                  "GatherND",
                  {},
                  {x, coordinates(b, shape, static_cast<size_t>(batch), static_cast<size_t>(depth), lists, rng() % 2)},
                  {}};
        node.attrs.set("batch_dims", batch);
        return b.done({b.add(std::move(node))});
      },
      60);
}

// Places occur twice: the last update counts, or all are added.
TEST(DensePlan, ScatterND) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 7);
        const auto depth = static_cast<size_t>(pick(rng, 1, static_cast<int64_t>(shape.size())));
        Shape lists{pick(rng, 1, 9)};
        if (rng() % 2) lists.push_back(pick(rng, 1, 6));
        const DType dtype = element(rng);
        const ValueId x = b.input(shape, dtype), places = coordinates(b, shape, 0, depth, lists, rng() % 2);
        Shape slabs = lists;
        slabs.insert(slabs.end(), shape.begin() + static_cast<std::ptrdiff_t>(depth), shape.end());
        Node node{"s", "ScatterND", {}, {x, places, b.input(slabs, dtype)}, {}};
        if (dtype == DType::f32 && rng() % 3 == 0) node.attrs.set("reduction", std::string("add"));
        return b.done({b.add(std::move(node))});
      },
      60);
}

TEST(DensePlan, GatherAndScatterElements) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const Shape shape = random_shape(rng, pick(rng, 1, 4), 7);
        const auto axis = static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(shape.size()) - 1));
        Shape list = shape;
        list[axis] = pick(rng, 1, 9);
        const bool scatters = rng() % 2;
        std::vector<int64_t> values(static_cast<size_t>(elements(list)));
        for (int64_t& v : values) v = pick(rng, -shape[axis], shape[axis] - 1);
        const DType dtype = DType::f32;
        Node node{"e", scatters ? "ScatterElements" : "GatherElements", {}, {b.input(shape, dtype)}, {}};
        node.inputs.push_back(b.g.add_constant("places", Tensor::from<int64_t>(list, values)));
        if (scatters) node.inputs.push_back(b.input(list, dtype));
        node.attrs.set("axis", static_cast<int64_t>(axis));
        return b.done({b.add(std::move(node))});
      },
      80);
}

// Rounded values, so that equal ones occur. The second unpool cannot know that its indices stay in their planes.
TEST(DensePlan, MaxPoolAndUnpool) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        Shape shape{pick(rng, 1, 2), pick(rng, 1, 3), pick(rng, 3, 12), pick(rng, 3, rng() % 4 ? 20 : 600)};
        if (rng() % 4 == 0) shape.erase(shape.begin() + 2);
        std::vector<int64_t> kernel, strides, pads, behind, dilations;
        const bool unpools = rng() % 2;
        for (size_t i = 2; i < shape.size(); ++i) {
          kernel.push_back(pick(rng, 1, 3));
          strides.push_back(unpools ? kernel.back() : pick(rng, 1, 3));
          dilations.push_back(!unpools && (kernel.back() - 1) * 2 < shape[i] ? pick(rng, 1, 2) : 1);
          pads.push_back(unpools ? 0 : pick(rng, 0, kernel.back() - 1));
          behind.push_back(unpools ? 0 : pick(rng, 0, kernel.back() - 1));
          if (unpools) shape[i] = std::max<int64_t>(shape[i] / kernel.back(), 1) * kernel.back();
        }
        pads.insert(pads.end(), behind.begin(), behind.end());
        const ValueId x = b.add({"r", "Round", {}, {b.input(shape)}, {}});
        Node pool{"p", "MaxPool", {}, {x}, {}};
        pool.attrs.set("outputs", int64_t{2});
        pool.attrs.set("kernel_shape", kernel);
        pool.attrs.set("strides", strides);
        pool.attrs.set("pads", pads);
        pool.attrs.set("dilations", dilations);
        const ValueId pooled = b.add(std::move(pool)), indices = b.g.at(b.g.at(pooled).producer).outputs[1];
        if (!unpools) return b.done({pooled, indices});
        std::vector<ValueId> results;
        for (ValueId list : {indices, b.add({"i", "Identity", {}, {indices}, {}})}) {
          Node unpool{"u", "MaxUnpool", {}, {pooled, list}, {}};
          unpool.attrs.set("kernel_shape", kernel);
          unpool.attrs.set("strides", strides);
          results.push_back(b.add(std::move(unpool)));
        }
        return b.done(results);
      },
      60);
}

// Regions in pixels from far outside to inside, some backwards; every image.
TEST(DensePlan, RoiAlign) {
  check(
      [](Rng& rng) {
        Builder b{{}, rng};
        const int64_t images = pick(rng, 1, 2), regions = pick(rng, 1, 9);
        const ValueId x = b.input({images, pick(rng, 1, 40), pick(rng, 1, 20), pick(rng, 1, 40)});
        std::vector<float> boxes;
        for (int64_t i = 0; i < 4 * regions; ++i) boxes.push_back(0.1f * static_cast<float>(pick(rng, -200, 1000)));
        std::vector<int64_t> of;
        for (int64_t i = 0; i < regions; ++i) of.push_back(pick(rng, 0, images - 1));
        Node node{"r", "RoiAlign", {}, {x}, {}};
        node.inputs.push_back(b.g.add_constant("boxes", Tensor::from<float>({regions, 4}, boxes)));
        node.inputs.push_back(b.ints(of));
        node.attrs.set("output_height", pick(rng, 1, 9));
        node.attrs.set("output_width", pick(rng, 1, 9));
        node.attrs.set("sampling_ratio", pick(rng, 0, 3));
        node.attrs.set("spatial_scale", rng() % 2 ? 0.25f : 1.0f);
        if (rng() % 2) node.attrs.set("coordinate_transformation_mode", std::string("output_half_pixel"));
        return b.done({b.add(std::move(node))});
      },
      60);
}

}  // namespace
}  // namespace quadlane::testing
