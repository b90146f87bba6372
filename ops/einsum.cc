// Einsum(equation; operands): numpy's rules. Every letter is an axis, the same letter twice in a term walks a diagonal,
// "..." stands for axes that broadcast, an axis of extent 1 broadcasts too, letters missing in the result are summed
// over. Without "->" the result has the broadcast axes and then every letter that occurs once, in alphabetical order.
//
//   y[result axes] = sum over the other axes of the product of all operands
//
// Floats are summed in double, integers modulo 2^n.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

constexpr char kDots = '.';  // one broadcast axis in a term, as a letter

struct Term {
  std::string letters;  // kDots once where the ellipsis is
  bool has_dots() const { return letters.find(kDots) != letters.npos; }
};

struct Equation {
  std::vector<Term> terms;
  Term result;
  bool explicit_result = false;
};

Result<Term> parse_term(std::string_view text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == ' ') continue;
    if (c == '.') {
      if (text.substr(i, 3) != "..." || term.has_dots()) return invalid_model("term '", text, "' has stray dots");
      i += 2;
    } else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
      return invalid_model("term '", text, "' has a character '", c, "', expected letters");
    }
    term.letters += c;
  }
  return term;
}

Result<Equation> parse(const std::string& text) {
  Equation e;
  size_t arrow = text.find("->");
  e.explicit_result = arrow != text.npos;
  std::string_view left = std::string_view(text).substr(0, arrow);
  while (true) {
    size_t comma = left.find(',');
    QL_TRY(Term term, parse_term(left.substr(0, comma)));
    e.terms.push_back(std::move(term));
    if (comma == left.npos) break;
    left.remove_prefix(comma + 1);
  }
  if (e.explicit_result) {
    QL_TRY(e.result, parse_term(std::string_view(text).substr(arrow + 2)));
    return e;
  }
  std::string all;
  for (const Term& term : e.terms) all += term.letters;
  if (all.find(kDots) != all.npos) e.result.letters = kDots;
  std::sort(all.begin(), all.end());
  for (char c : all)
    if (c != kDots && std::count(all.begin(), all.end(), c) == 1) e.result.letters += c;
  return e;
}

// The loops: result axes, then summed ones; operand k moves by step[k][axis].
struct Loops {
  Shape extents;
  size_t result_rank = 0;
  std::vector<std::vector<int64_t>> steps;
};

class Planner {
 public:
  Planner(const OpContext& ctx, const Equation& e) : ctx_(ctx), equation_(e) {}

  Result<Loops> run() {
    if (equation_.terms.size() != ctx_.inputs.size())
      return invalid_model("equation has ", equation_.terms.size(), " terms for ", ctx_.inputs.size(), " inputs");
    QL_CHECK_OK(count_dots());
    std::vector<std::string> spread;
    for (size_t k = 0; k < ctx_.inputs.size(); ++k) {
      std::string letters = spread_dots(equation_.terms[k], ctx_.shape(k).size());
      if (letters.size() != ctx_.shape(k).size())
        return invalid_model("term ", k, " names ", letters.size(), " axes, input ", k, " is ",
                             to_string(ctx_.type(k)));
      spread.push_back(std::move(letters));
      QL_CHECK_OK(merge_extents(k, spread.back()));
    }
    QL_CHECK_OK(place_result());
    for (const auto& [letter, extent] : extents_)
      if (axes_.find(letter) == axes_.npos) add_axis(letter);
    for (size_t k = 0; k < spread.size(); ++k) loops_.steps.push_back(steps_of(k, spread[k]));
    return std::move(loops_);
  }

 private:
  // Broadcast axes get the letters 0, 1, ... counted from the last one.
  Status count_dots() {
    for (size_t k = 0; k < ctx_.inputs.size(); ++k) {
      const Term& term = equation_.terms[k];
      size_t named = term.letters.size() - term.has_dots(), rank = ctx_.shape(k).size();
      if (term.has_dots() && rank >= named) dots_ = std::max(dots_, rank - named);
    }
    return {};
  }
  static std::string dots_of(size_t count) {
    std::string letters;
    for (size_t i = count; i-- > 0;) letters += static_cast<char>('0' + i);
    return letters;
  }
  static std::string spread_dots(const Term& term, size_t rank) {
    std::string letters = term.letters;
    size_t at = letters.find(kDots), named = letters.size() - 1;
    if (at != letters.npos) letters.replace(at, 1, dots_of(rank >= named ? rank - named : 0));
    return letters;
  }
  Status merge_extents(size_t k, const std::string& letters) {
    for (size_t a = 0; a < letters.size(); ++a) {
      int64_t extent = ctx_.shape(k)[a];
      auto [it, added] = extents_.emplace(letters[a], extent);
      if (added || it->second == extent || extent == 1) continue;
      if (it->second != 1)
        return invalid_model("axis ", a, " of input ", k, " has an extent of ", extent, ", another of the same letter ",
                             it->second);
      it->second = extent;
    }
    return {};
  }
  Status place_result() {
    std::string letters = equation_.result.letters;
    if (size_t at = letters.find(kDots); at != letters.npos) letters.replace(at, 1, dots_of(dots_));
    for (char letter : letters) {
      if (!extents_.count(letter)) return invalid_model("the result has axis '", letter, "', which no input has");
      if (axes_.find(letter) != axes_.npos) return invalid_model("the result has axis '", letter, "' twice");
      add_axis(letter);
    }
    loops_.result_rank = axes_.size();
    return {};
  }
  void add_axis(char letter) {
    axes_ += letter;
    loops_.extents.push_back(extents_.at(letter));
  }
  std::vector<int64_t> steps_of(size_t k, const std::string& letters) const {
    std::vector<int64_t> strides = dense_strides(ctx_.shape(k)), steps(axes_.size(), 0);
    for (size_t a = 0; a < letters.size(); ++a)
      if (ctx_.shape(k)[a] != 1) steps[axes_.find(letters[a])] += strides[a];
    return steps;
  }

  const OpContext& ctx_;
  const Equation& equation_;
  std::map<char, int64_t> extents_;
  std::string axes_;  // letters of the loops
  size_t dots_ = 0;
  Loops loops_;
};

Result<Loops> loops_of(const OpContext& ctx) {
  QL_TRY(std::string text, string_attr(ctx.attrs(), "equation", ""));
  QL_TRY(Equation equation, parse(text));
  return Planner(ctx, equation).run();
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_CHECK_OK(expect_same_dtype(ctx));
  for (size_t i = 0; i < ctx.inputs.size(); ++i)
    if (!ctx.has(i)) return invalid_model("input ", i, " is absent, every input is required");
  QL_TRY(Loops loops, loops_of(ctx));
  loops.extents.resize(loops.result_rank);
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(loops.extents)}};
}

// Walks the axes [from, to) of the loops; at[k] is operand k's element.
template <class F>
void walk(const Loops& loops, size_t from, size_t to, std::vector<int64_t>& at, const F& f) {
  if (from == to) return f();
  for (int64_t i = 0; i < loops.extents[from]; ++i) {
    walk(loops, from + 1, to, at, f);
    for (size_t k = 0; k < at.size(); ++k) at[k] += loops.steps[k][from];
  }
  for (size_t k = 0; k < at.size(); ++k) at[k] -= loops.steps[k][from] * loops.extents[from];
}

template <class T>
void contract(const OpContext& ctx, const Loops& loops, T* y) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
  std::vector<const T*> x;
  for (const View& input : ctx.inputs) x.push_back(input.as<T>());
  std::vector<int64_t> at(x.size());
  walk(loops, 0, loops.result_rank, at, [&] {
    Sum sum = 0;
    walk(loops, loops.result_rank, loops.extents.size(), at, [&] {
      Sum product = 1;
      for (size_t k = 0; k < x.size(); ++k) product *= static_cast<Sum>(x[k][at[k]]);
      sum += product;
    });
    *y++ = static_cast<T>(sum);
  });
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Loops loops, loops_of(ctx));
  return dispatch_modular(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    contract<T>(ctx, loops, out[0].as<T>());
    return {};
  });
}

}  // namespace

void append_einsum_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Einsum", 1, -1, 1, "equation", infer, with_half<eval>});
}

}  // namespace quadlane
