// BatchNormalization (inference) and InstanceNormalization on f32 [N, C, ...], computed in double:
//
//   y = (x - mean[c]) * scale[c] / sqrt(variance[c] + epsilon) + bias[c]
//
// with the given statistics, or those of every image's channel (biased variance).
#include <cmath>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/norm_ops.h"

namespace quadlane {

namespace {

// One value per channel in each of the inputs 1 .. last.
Status check_channels(const OpContext& ctx, size_t lowest_rank, size_t last) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  QL_CHECK_OK(expect_rank(ctx, 0, lowest_rank, kMaxRank));
  for (size_t i = 1; i <= last; ++i) {
    QL_CHECK_OK(expect_dtype(ctx, i, DType::f32));
    QL_CHECK_OK(expect_shape(ctx, i, {ctx.shape(0)[1]}));
  }
  return {};
}

Result<float> epsilon_of(const OpContext& ctx) { return float_attr(ctx.attrs(), "epsilon", 1e-5f); }

int64_t pixels_of(const Shape& x) {
  int64_t pixels = 1;
  for (size_t i = 2; i < x.size(); ++i) pixels *= x[i];
  return pixels;
}

Result<std::vector<TensorType>> infer_batch(const OpContext& ctx) {
  QL_CHECK_OK(check_channels(ctx, 2, 4));
  QL_TRY(bool training, bool_attr(ctx.attrs(), "training_mode", false));
  if (training) return unsupported("training_mode is 1, only inference is supported");
  if (ctx.node.outputs.size() > 1) return unsupported("has ", ctx.node.outputs.size(), " outputs, expected 1");
  QL_TRY([[maybe_unused]] float epsilon, epsilon_of(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

Result<std::vector<TensorType>> infer_instance(const OpContext& ctx) {
  QL_CHECK_OK(check_channels(ctx, 3, 2));
  QL_TRY([[maybe_unused]] float epsilon, epsilon_of(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

// Calls normalize(channel, source plane, pixels, destination plane) for every plane.
template <class Normalize>
void for_planes(const OpContext& ctx, const MutView& y, const Normalize& normalize) {
  int64_t channels = ctx.shape(0)[1], pixels = pixels_of(ctx.shape(0));
  for (int64_t plane = 0; plane < ctx.shape(0)[0] * channels; ++plane)
    normalize(plane % channels, ctx.inputs[0].as<float>() + plane * pixels, pixels, y.as<float>() + plane * pixels);
}

void scale_plane(const float* x, int64_t pixels, double mean, double variance, double epsilon, double scale,
                 double bias, float* y) {
  double factor = scale / std::sqrt(variance + epsilon);
  for (int64_t i = 0; i < pixels; ++i) y[i] = static_cast<float>((x[i] - mean) * factor + bias);
}

Status eval_batch(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(float epsilon, epsilon_of(ctx));
  auto list = [&](size_t i) { return ctx.inputs[i].as<float>(); };
  for_planes(ctx, out[0], [&](int64_t c, const float* x, int64_t pixels, float* y) {
    scale_plane(x, pixels, list(3)[c], list(4)[c], epsilon, list(1)[c], list(2)[c], y);
  });
  return {};
}

Status eval_instance(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(float epsilon, epsilon_of(ctx));
  for_planes(ctx, out[0], [&](int64_t c, const float* x, int64_t pixels, float* y) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < pixels; ++i) sum += x[i];
    double mean = sum / static_cast<double>(pixels);
    for (int64_t i = 0; i < pixels; ++i) squares += (x[i] - mean) * (x[i] - mean);
    double variance = squares / static_cast<double>(pixels);
    scale_plane(x, pixels, mean, variance, epsilon, ctx.inputs[1].as<float>()[c], ctx.inputs[2].as<float>()[c], y);
  });
  return {};
}

}  // namespace

void append_norm_ops(std::vector<OpDef>& defs) {
  // momentum only concerns training.
  defs.push_back({"BatchNormalization", 5, 5, 1, "epsilon momentum training_mode", infer_batch, eval_batch});
  defs.push_back({"InstanceNormalization", 3, 3, 1, "epsilon", infer_instance, eval_instance});
  append_layer_norm_ops(defs);
  append_group_norm_ops(defs);
  append_axis_norm_ops(defs);
  append_lrn_ops(defs);
}

}  // namespace quadlane
