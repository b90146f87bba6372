// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum,
// ReduceLogSumExp over (data, axes?): floats accumulate in double, integers modulo 2^64 or, where the result is no
// polynomial of them, in double too. No axes: all of them, or with noop_with_empty_axes none, and each element is
// reduced by itself: its square, logarithm, magnitude.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/reduce_layout.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

// Each reduction starts from State{}, adds elements and finishes with the number of them.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;  // unsigned: wraps

template <class T>
struct Sum {
  Wide<T> sum = 0;
  void add(T x) { sum += static_cast<Wide<T>>(x); }
  T finish(int64_t) const { return static_cast<T>(sum); }
};
template <class T>
struct SumSquare {
  Wide<T> sum = 0;
  void add(T x) { sum += static_cast<Wide<T>>(x) * static_cast<Wide<T>>(x); }
  T finish(int64_t) const { return static_cast<T>(sum); }
};
template <class T>
struct L1 {
  Wide<T> sum = 0;
  void add(T x) { sum += x < 0 ? -static_cast<Wide<T>>(x) : static_cast<Wide<T>>(x); }
  T finish(int64_t) const { return static_cast<T>(sum); }
};
template <class T>
struct Prod {
  Wide<T> product = 1;
  void add(T x) { product *= static_cast<Wide<T>>(x); }
  T finish(int64_t) const { return static_cast<T>(product); }
};
template <class T>
struct Mean {
  double sum = 0;
  void add(T x) { sum += static_cast<double>(x); }
  T finish(int64_t n) const { return convert<T>(sum / static_cast<double>(n)); }  // of nothing: NaN, integers 0
};
template <class T>
struct L2 {
  double sum = 0;
  void add(T x) { sum += static_cast<double>(x) * static_cast<double>(x); }
  T finish(int64_t) const { return convert<T>(std::sqrt(sum)); }
};
template <class T>
struct LogSum {
  double sum = 0;
  void add(T x) { sum += static_cast<double>(x); }
  T finish(int64_t) const { return convert<T>(std::log(sum)); }
};
// log(sum e^x) = m + log(sum e^(x - m)) with m the maximum so far, so that nothing overflows.
template <class T>
struct LogSumExp {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  void add(T element) {
    auto x = static_cast<double>(element);
    if (x == most) {  // also two infinities, whose difference is no number
      sum += 1;
    } else if (x > most) {
      sum = sum * std::exp(most - x) + 1;
      most = x;
    } else {
      sum += std::exp(x - most);
    }
  }
  T finish(int64_t) const { return convert<T>(sum == 0 ? most : most + std::log(sum)); }
};
// NaN wins, as in numpy.
template <class T>
struct Most {
  T most =
      std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  void add(T x) {
    if (x > most || x != x) most = x;
  }
  T finish(int64_t) const { return most; }
};
template <class T>
struct Least {
  T least = std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  void add(T x) {
    if (x < least || x != x) least = x;
  }
  T finish(int64_t) const { return least; }
};

template <class State, class T>
void add_run(State& state, const T* src, const ReduceRun& run) {
  for (int64_t i = 0; i < run.n; ++i) state.add(src[i * run.step]);
}

template <class State, class T>
void reduce(const ReduceLayout& layout, const T* src, T* dst) {
  for (int64_t out = 0; out < layout.outputs(); ++out) {
    State state;
    const T* base = src + layout.output_offset(out);
    for (int64_t run = 0; run < layout.runs(); ++run) add_run(state, base + layout.run_offset(run), layout.run());
    dst[out] = state.finish(layout.reduced());
  }
}

Result<std::vector<bool>> reduced_axes(const OpContext& ctx) {
  size_t rank = ctx.shape(0).size();
  QL_TRY(bool noop, bool_attr(ctx.attrs(), "noop_with_empty_axes", false));
  std::vector<int64_t> given;
  if (ctx.has(1)) {
    QL_TRY(given, known_ints(ctx, 1, "axes"));
  }
  QL_TRY(auto axes, normalize_axes(given, rank));
  std::vector<bool> reduced(rank, axes.empty() && !noop);
  for (size_t axis : axes) reduced[axis] = true;
  return reduced;
}

template <Types Allowed>
Result<std::vector<TensorType>> infer_reduce(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Allowed));
  QL_TRY(const std::vector<bool> reduced, reduced_axes(ctx));
  QL_TRY(bool keep, bool_attr(ctx.attrs(), "keepdims", true));
  Shape shape;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i])
      shape.push_back(ctx.shape(0)[i]);
    else if (keep)
      shape.push_back(1);
  }
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

template <template <class> class State>
Status eval_reduce(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(const std::vector<bool> reduced, reduced_axes(ctx));
  ReduceLayout layout(ctx.shape(0), reduced);
  return dispatch_number(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    reduce<State<T>>(layout, ctx.inputs[0].as<T>(), out[0].as<T>());
    return {};
  });
}

// bool as u8: max is or, min is and. Over nothing: false and true.
template <bool All>
Status eval_bool(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(const std::vector<bool> reduced, reduced_axes(ctx));
  ReduceLayout layout(ctx.shape(0), reduced);
  const auto* src = static_cast<const uint8_t*>(ctx.inputs[0].data);
  reduce<std::conditional_t<All, Least<uint8_t>, Most<uint8_t>>>(layout, src, static_cast<uint8_t*>(out[0].data));
  for (uint8_t& value : std::span(static_cast<uint8_t*>(out[0].data), static_cast<size_t>(layout.outputs())))
    value = value != 0;
  return {};
}
template <bool All>
Status eval_extreme(const OpContext& ctx, std::span<const MutView> out) {
  if (ctx.type(0).dtype == DType::boolean) return eval_bool<All>(ctx, out);
  if constexpr (All)
    return with_half<eval_reduce<Least>>(ctx, out);
  else
    return with_half<eval_reduce<Most>>(ctx, out);
}

template <Types Allowed = Types::numbers>
OpDef reduction(std::string_view name, EvalFn eval) {
  return {name, 1, 2, 1, "keepdims noop_with_empty_axes", infer_reduce<Allowed>, eval};
}

}  // namespace

void append_reduce_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              reduction("ReduceSum", with_half<eval_reduce<Sum>>),
                              reduction("ReduceMean", with_half<eval_reduce<Mean>>),
                              reduction("ReduceProd", with_half<eval_reduce<Prod>>),
                              reduction("ReduceL1", with_half<eval_reduce<L1>>),
                              reduction("ReduceL2", with_half<eval_reduce<L2>>),
                              reduction("ReduceSumSquare", with_half<eval_reduce<SumSquare>>),
                              reduction("ReduceLogSum", with_half<eval_reduce<LogSum>>),
                              reduction("ReduceLogSumExp", with_half<eval_reduce<LogSumExp>>),
                              reduction<Types::all>("ReduceMax", eval_extreme<false>),
                              reduction<Types::all>("ReduceMin", eval_extreme<true>),
                          });
  append_scan_ops(defs);
  append_select_ops(defs);
  append_hardmax_ops(defs);
}

}  // namespace quadlane
