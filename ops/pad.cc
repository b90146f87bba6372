// Pad(data, pads, constant?, axes?): negative pads crop. reflect mirrors without the border element (and again when the
// pad is wider than the axis), edge repeats the border, wrap continues at the other end.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"
#include "ops/takes.h"

namespace quadlane {
namespace {

struct Pads {
  std::vector<int64_t> begin, end;
};

Result<Pads> read_pads(const OpContext& ctx) {
  size_t rank = ctx.shape(0).size();
  QL_TRY(auto given, known_ints(ctx, 1, "pads"));
  std::vector<int64_t> given_axes(rank);
  for (size_t i = 0; i < rank; ++i) given_axes[i] = static_cast<int64_t>(i);
  if (ctx.has(3)) {
    QL_TRY(given_axes, known_ints(ctx, 3, "axes"));
  }
  if (given.size() != given_axes.size() * 2)
    return invalid_model("there are ", given.size(), " pads, expected 2 for each of ", given_axes.size(), " axes");
  QL_TRY(auto axes, normalize_axes(given_axes, rank));
  Pads pads{std::vector<int64_t>(rank), std::vector<int64_t>(rank)};
  for (int64_t pad : given)
    if (pad < -kMaxElements || pad > kMaxElements)
      return unsupported("a pad of ", pad, " exceeds the limit of ", kMaxElements);
  for (size_t i = 0; i < axes.size(); ++i) {
    pads.begin[axes[i]] = given[i];
    pads.end[axes[i]] = given[i + axes.size()];
  }
  return pads;
}

Result<std::vector<TensorType>> infer_pad(const OpContext& ctx) {
  auto mode = string_attr(ctx.attrs(), "mode", "constant");
  if (!mode.ok()) return std::move(mode).error();
  bool constant = *mode == "constant";
  if (!constant && *mode != "reflect" && *mode != "edge" && *mode != "wrap")
    return unsupported("attribute 'mode' is '", *mode, "', expected constant, reflect, edge or wrap");
  if (ctx.has(2) && (ctx.type(2).dtype != ctx.type(0).dtype || ctx.type(2).count() != 1))
    return invalid_model("constant is ", to_string(ctx.type(2)), ", expected one ", to_string(ctx.type(0).dtype));
  QL_TRY(Pads pads, read_pads(ctx));
  Shape shape = ctx.shape(0);
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t extent = shape[i];
    QL_TRY(shape[i], checked_sum(shape[i], pads.begin[i]));
    QL_TRY(shape[i], checked_sum(shape[i], pads.end[i]));
    if (shape[i] < 0)
      return invalid_model("pads ", pads.begin[i], " and ", pads.end[i], " of axis ", i, " crop more than its extent ",
                           extent);
    if (!constant && extent == 0 && shape[i] > 0)
      return invalid_model("axis ", i, " has extent 0, which mode ", *mode, " cannot pad to ", shape[i]);
  }
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

// The element of an axis that position p of the unpadded axis takes, -1 for the constant.
int64_t source_of(int64_t p, int64_t extent, const std::string& mode) {
  if (p >= 0 && p < extent) return p;
  if (mode == "constant") return -1;
  if (mode == "edge") return p < 0 ? 0 : extent - 1;
  int64_t period = mode == "wrap" ? extent : std::max<int64_t>(2 * (extent - 1), 1);
  int64_t r = (p % period + period) % period;
  return r < extent ? r : period - r;
}

}  // namespace

Result<std::vector<AxisTable>> pad_tables(const OpContext& ctx, const Shape& out) {
  QL_TRY(Pads pads, read_pads(ctx));
  const std::string mode = ctx.attrs().string_or("mode", "constant");
  const Shape& in = ctx.shape(0);
  std::vector<AxisTable> tables(in.size());
  for (size_t a = 0; a < in.size(); ++a)
    for (int64_t i = 0; i < out[a]; ++i) tables[a].push_back(source_of(i - pads.begin[a], in[a], mode));
  return tables;
}

namespace {

// Output rows are the innermost axis; the other axes only decide where a row comes from.
template <class T>
void pad_rows(const T* src, const Shape& in, const std::vector<AxisTable>& tables, T fill, T* dst) {
  size_t last = in.size() - 1;
  std::vector<int64_t> strides = dense_strides(in);
  std::vector<size_t> at(in.size());
  while (true) {
    const T* row = src;
    for (size_t a = 0; row && a < last; ++a) {
      int64_t index = tables[a][at[a]];
      row = index < 0 ? nullptr : row + index * strides[a];
    }
    for (int64_t index : tables[last]) *dst++ = row && index >= 0 ? row[index] : fill;
    size_t a = last;
    while (a > 0 && ++at[a - 1] == tables[a - 1].size()) at[--a] = 0;
    if (a == 0) return;
  }
}

Status eval_pad(const OpContext& ctx, std::span<const MutView> out) {
  Shape in = ctx.shape(0);
  if (elements(out[0].shape()) == 0) return {};
  QL_TRY(std::vector<AxisTable> tables, pad_tables(ctx, out[0].shape()));
  if (in.empty()) {  // a scalar is a row of one
    in = {1};
    tables = {{0}};
  }
  return dispatch_bits(out[0].type->dtype, [&]<class T>(T) -> Status {
    T fill = ctx.has(2) ? *ctx.inputs[2].as<T>() : T{0};
    pad_rows(ctx.inputs[0].as<T>(), in, tables, fill, out[0].as<T>());
    return {};
  });
}

}  // namespace

void append_pad_ops(std::vector<OpDef>& defs) { defs.push_back({"Pad", 2, 4, 1, "mode", infer_pad, eval_pad}); }

}  // namespace quadlane
