// NonMaxSuppression(boxes [B, N, 4], scores [B, C, N], most?, overlap?, lowest score?) -> rows (batch, class, box): for
// every class of every image, boxes in falling order of their scores (the lower index first of two equal ones), without
// those whose intersection over union with a chosen one exceeds `overlap`, at most `most` of them.
#include <numeric>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/shape_inputs.h"
#include "ops/vision.h"

namespace quadlane {
namespace {

struct Box {
  float y0, x0, y1, x1;
  float area() const { return (y1 - y0) * (x1 - x0); }
};

// Corners of any diagonal, or (x, y, width, height) of the centre.
Box box_at(const float* p, bool center) {
  if (center) return {p[1] - p[3] / 2, p[0] - p[2] / 2, p[1] + p[3] / 2, p[0] + p[2] / 2};
  return {std::min(p[0], p[2]), std::min(p[1], p[3]), std::max(p[0], p[2]), std::max(p[1], p[3])};
}

bool overlaps(const Box& a, const Box& b, float limit) {
  float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0), width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (!(height > 0) || !(width > 0) || !(a.area() > 0) || !(b.area() > 0)) return false;
  float shared = height * width;
  return shared / (a.area() + b.area() - shared) > limit;
}

struct Settings {
  int64_t most = 0;
  float overlap = 0;
  std::optional<float> lowest;
  bool center = false;
};
Settings settings_of(const OpContext& ctx) {
  Settings s;
  if (ctx.has(2)) s.most = element_as_int(ctx.inputs[2], 0);
  if (ctx.has(3)) s.overlap = *ctx.inputs[3].as<float>();
  if (ctx.has(4)) s.lowest = *ctx.inputs[4].as<float>();
  s.center = ctx.attrs().int_or("center_point_box", 0) != 0;
  return s;
}

// The chosen boxes of one class, best first.
std::vector<int64_t> chosen(const float* boxes, std::span<const float> scores, const Settings& s) {
  std::vector<int64_t> order, result;
  for (int64_t i = 0; i < static_cast<int64_t>(scores.size()); ++i)
    if (float score = scores[static_cast<size_t>(i)]; score == score && (!s.lowest || score > *s.lowest))
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  std::vector<Box> kept;
  for (int64_t i : order) {
    if (static_cast<int64_t>(result.size()) >= s.most) break;
    Box box = box_at(boxes + 4 * i, s.center);
    if (std::any_of(kept.begin(), kept.end(), [&](const Box& other) { return overlaps(box, other, s.overlap); }))
      continue;
    kept.push_back(box);
    result.push_back(i);
  }
  return result;
}

// All rows, three numbers each.
std::vector<int64_t> selected(const OpContext& ctx) {
  const Shape &boxes = ctx.shape(0), &scores = ctx.shape(1);
  Settings settings = settings_of(ctx);
  std::vector<int64_t> rows;
  for (int64_t b = 0; b < scores[0]; ++b)
    for (int64_t c = 0; c < scores[1]; ++c) {
      std::span<const float> line(ctx.inputs[1].as<float>() + (b * scores[1] + c) * scores[2],
                                  static_cast<size_t>(scores[2]));
      for (int64_t box : chosen(ctx.inputs[0].as<float>() + b * boxes[1] * 4, line, settings))
        rows.insert(rows.end(), {b, c, box});
    }
  return rows;
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  for (size_t i : {size_t{0}, size_t{1}, size_t{3}, size_t{4}}) QL_CHECK_OK(expect_dtype(ctx, i, DType::f32));
  QL_CHECK_OK(expect_dtype(ctx, 2, DType::s64));
  QL_TRY([[maybe_unused]] bool center, bool_attr(ctx.attrs(), "center_point_box", false));
  QL_CHECK_OK(expect_rank(ctx, 0, 3, 3));
  QL_CHECK_OK(expect_rank(ctx, 1, 3, 3));
  const Shape &boxes = ctx.shape(0), &scores = ctx.shape(1);
  if (boxes[2] != 4 || boxes[0] != scores[0] || boxes[1] != scores[2])
    return invalid_model("boxes ", to_string(boxes), " do not fit scores ", to_string(scores));
  for (size_t i = 2; i < ctx.inputs.size(); ++i)
    if (ctx.has(i) && ctx.type(i).count() != 1)
      return invalid_model("input ", i, " is ", to_string(ctx.type(i)), ", expected a scalar");
  constexpr const char* kNames[] = {"boxes", "scores", "max_output_boxes_per_class", "iou_threshold",
                                    "score_threshold"};
  for (size_t i = 0; i < ctx.inputs.size(); ++i)
    if (ctx.has(i)) QL_CHECK_OK(expect_known(ctx, i, kNames[i]));
  return std::vector<TensorType>{{DType::s64, {static_cast<int64_t>(selected(ctx).size() / 3), 3}}};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  std::vector<int64_t> rows = selected(ctx);
  std::copy_n(rows.begin(), std::min<size_t>(rows.size(), out[0].span<int64_t>().size()), out[0].as<int64_t>());
  return {};
}

}  // namespace

void append_nms_ops(std::vector<OpDef>& defs) {
  defs.push_back({"NonMaxSuppression", 2, 5, 1, "center_point_box", infer, eval});
}

}  // namespace quadlane
