// LayerNormalization and RMSNormalization over the axes from `axis` on, seen as rows, in double:
//
//   layer   y = (x - mean) / sqrt(variance + epsilon) * scale + bias     (biased variance of the row)
//   RMS     y = x / sqrt(mean of x^2 + epsilon) * scale
//
// Scale and bias broadcast to one row. Attribute `outputs` is the loader's: how many results of LayerNormalization are
// read, of y, the means and 1 / sqrt(variance + epsilon).
#include <cmath>

#include "ops/attr.h"
#include "ops/broadcast.h"
#include "ops/defs.h"
#include "ops/dispatch.h"
#include "ops/norm_ops.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

struct Rows {
  Shape statistics;  // one value for each row
  Shape row;
  int64_t count, length;
  float epsilon;
};

Result<Rows> rows_of(const OpContext& ctx) {
  const Shape& x = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, -1, x.size()));
  QL_TRY(float epsilon, float_attr(ctx.attrs(), "epsilon", 1e-5f));
  QL_TRY([[maybe_unused]] int64_t stash, int_attr(ctx.attrs(), "stash_type", 1));  // sums are doubles whatever it says
  Rows rows{x, Shape(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end()), elements_between(x, 0, axis),
            elements_between(x, axis, x.size()), epsilon};
  std::fill(rows.statistics.begin() + static_cast<std::ptrdiff_t>(axis), rows.statistics.end(), 1);
  return rows;
}

Result<Rows> checked_rows(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_TRY(Rows rows, rows_of(ctx));
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    if (!ctx.has(i)) continue;
    QL_TRY(Shape shape, broadcast_shape(ctx.shape(i), rows.row));
    if (shape != rows.row)
      return invalid_model("input ", i, " has shape ", to_string(ctx.shape(i)), ", which does not broadcast to ",
                           to_string(rows.row));
  }
  return rows;
}

Result<std::vector<TensorType>> infer_layer(const OpContext& ctx) {
  QL_TRY(Rows rows, checked_rows(ctx));
  QL_TRY(int64_t outputs, int_attr_in(ctx.attrs(), "outputs", 1, 1, 3));
  std::vector<TensorType> types{ctx.type(0)};
  types.resize(static_cast<size_t>(outputs), {DType::f32, rows.statistics});
  return types;
}
Result<std::vector<TensorType>> infer_rms(const OpContext& ctx) {
  QL_TRY([[maybe_unused]] Rows rows, checked_rows(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}

// Input i as one row; `otherwise` where it is absent.
template <class T>
std::vector<T> spread(const OpContext& ctx, size_t i, const Rows& rows, T otherwise) {
  std::vector<T> row(static_cast<size_t>(rows.length), otherwise);
  if (ctx.has(i))
    copy_strided(ctx.inputs[i].data, broadcast_view(ctx.shape(i), rows.row), row.data(), ctx.type(i).dtype);
  return row;
}

template <class T>
void normalize(const OpContext& ctx, const Rows& rows, bool centred, std::span<const MutView> out) {
  std::vector<T> scale = spread<T>(ctx, 1, rows, 1), bias = spread<T>(ctx, 2, rows, 0);
  const T* x = ctx.inputs[0].as<T>();
  T* y = out[0].as<T>();
  auto n = static_cast<double>(rows.length);
  for (int64_t r = 0; r < rows.count; ++r, x += rows.length, y += rows.length) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; centred && i < rows.length; ++i) sum += double{x[i]};
    double mean = sum / n;
    for (int64_t i = 0; i < rows.length; ++i) squares += (x[i] - mean) * (x[i] - mean);
    double inverse = 1 / std::sqrt(squares / n + double{rows.epsilon});
    for (int64_t i = 0; i < rows.length; ++i) {
      auto at = static_cast<size_t>(i);
      y[i] = static_cast<T>((x[i] - mean) * inverse * double{scale[at]} + double{bias[at]});
    }
    if (out.size() > 1) out[1].as<float>()[r] = static_cast<float>(mean);
    if (out.size() > 2) out[2].as<float>()[r] = static_cast<float>(inverse);
  }
}

template <bool Centred>
Status eval_rows(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Rows rows, rows_of(ctx));
  if (rows.length == 0) {  // statistics of nothing: the mean is 0 / 0 as in numpy
    for (size_t i = 1; i < out.size(); ++i)
      std::fill_n(out[i].as<float>(), rows.count, std::numeric_limits<float>::quiet_NaN());
    return {};
  }
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    normalize<T>(ctx, rows, Centred, out);
    return {};
  });
}

}  // namespace

void append_layer_norm_ops(std::vector<OpDef>& defs) {
  defs.push_back(
      {"LayerNormalization", 2, 3, -1, "axis epsilon outputs stash_type", infer_layer, with_half<eval_rows<true>>});
  defs.push_back({"RMSNormalization", 2, 2, 1, "axis epsilon stash_type", infer_rms, with_half<eval_rows<false>>});
}

}  // namespace quadlane
