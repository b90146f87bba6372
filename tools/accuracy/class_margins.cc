#include "tools/accuracy/class_margins.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quadlane::tools {
namespace {

constexpr size_t kRivals = 4, kFewestErrors = 8;
constexpr double kLeastProbability = 1e-30;

// Scores of one answer that are compared by differences.
std::vector<double> scores_of(const float* row, int64_t classes, float threshold) {
  const bool probabilities = threshold == 0.5f;
  auto log_of = [](double p) { return std::log(std::max(p, kLeastProbability)); };
  if (classes == 1) {
    if (probabilities) return {log_of(row[0]), log_of(1 - row[0])};
    return {row[0], threshold};
  }
  std::vector<double> scores(row, row + classes);
  if (probabilities) std::transform(scores.begin(), scores.end(), scores.begin(), log_of);
  return scores;
}

}  // namespace

void ClassMargins::add(const Tensor& wanted, const Tensor& got, float threshold) {
  const Shape& shape = wanted.shape();
  const int64_t rows = shape.size() > 1 ? shape[0] : 1, classes = rows > 0 ? wanted.count() / rows : 0;
  if (wanted.dtype() != DType::f32 || classes == 0) return;
  for (int64_t n = 0; n < rows; ++n) {
    const std::vector<double> exact = scores_of(wanted.as<float>() + n * classes, classes, threshold);
    const std::vector<double> moved = scores_of(got.as<float>() + n * classes, classes, threshold);
    if (!std::all_of(exact.begin(), exact.end(), [](double score) { return std::isfinite(score); })) continue;
    std::vector<size_t> order(exact.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const size_t count = std::min(order.size(), kRivals + 1);
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                      [&](size_t a, size_t b) { return std::pair(-exact[a], a) < std::pair(-exact[b], b); });
    for (size_t k = 1; k < count; ++k) {
      const double margin = exact[order[0]] - exact[order[k]], now = moved[order[0]] - moved[order[k]];
      rivals_.push_back({margin, std::isfinite(now) ? std::abs(now - margin) : HUGE_VAL, answers_});
    }
    ++answers_;
  }
}

ClassMargins& ClassMargins::operator+=(const ClassMargins& other) {
  for (const Rival& rival : other.rivals_) rivals_.push_back({rival.margin, rival.error, answers_ + rival.answer});
  answers_ += other.answers_;
  return *this;
}

double ClassMargins::expected_changes() const {
  std::vector<Rival> ranked = rivals_;
  std::stable_sort(ranked.begin(), ranked.end(), [](const Rival& a, const Rival& b) { return a.margin < b.margin; });
  const size_t near = std::min(std::max(ranked.size() / 4, kFewestErrors), ranked.size());
  std::vector<double> changes(answers_);
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto first =
        ranked.begin() + static_cast<ptrdiff_t>(std::min(i - std::min(i, near / 2), ranked.size() - near));
    const auto larger = std::count_if(first, first + static_cast<ptrdiff_t>(near),
                                      [&](const Rival& other) { return other.error > ranked[i].margin; });
    changes[ranked[i].answer] += 0.5 * static_cast<double>(larger) / static_cast<double>(near);
  }
  double sum = 0;
  for (double change : changes) sum += std::min(change, 1.0);
  return answers_ > 0 ? sum / static_cast<double>(answers_) : 0;
}

}  // namespace quadlane::tools
