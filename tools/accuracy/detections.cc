#include "tools/accuracy/detections.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr float kLeastScore = 0.05f, kConfident = 0.5f;
constexpr double kSameBox = 0.5;
constexpr size_t kMost = 300;  // of an image

double overlap(const Detection& a, const Detection& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1), h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  auto area = [](const Detection& d) { return double{d.x2 - d.x1} * (d.y2 - d.y1); };
  return w * h / (area(a) + area(b) - w * h);
}

void sort_by_score(std::vector<Detection>& boxes) {
  std::stable_sort(boxes.begin(), boxes.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
}

std::vector<Detection> without_overlaps(std::vector<Detection> boxes) {
  sort_by_score(boxes);
  std::vector<Detection> kept;
  for (const Detection& box : boxes) {
    if (kept.size() == kMost) break;
    const bool taken = std::any_of(kept.begin(), kept.end(), [&](const Detection& other) {
      return other.kind == box.kind && overlap(box, other) > kSameBox;
    });
    if (!taken) kept.push_back(box);
  }
  return kept;
}

// Adds the box once for each class whose score counts.
void add_classes(Detection box, const float* scores, int64_t count, float factor, std::vector<Detection>& boxes) {
  for (int64_t k = 0; k < count; ++k) {
    box.kind = static_cast<int32_t>(k);
    box.score = factor * scores[k];
    if (box.score >= kLeastScore) boxes.push_back(box);
  }
}

bool is_list(const Tensor& t) { return t.dtype() == DType::f32 && t.shape().size() == 3 && t.shape()[0] == 1; }

std::vector<Detection> from_pair(const Tensor& corners, const Tensor& scores) {
  const int64_t kinds = scores.shape()[2], first = kinds > 1 ? 1 : 0;
  std::vector<Detection> boxes;
  for (int64_t i = 0; i < corners.shape()[1]; ++i) {
    const float* b = corners.as<float>() + 4 * i;
    add_classes({b[0], b[1], b[2], b[3]}, scores.as<float>() + i * kinds + first, kinds - first, 1, boxes);
  }
  return boxes;
}

// No class for what is none.
int32_t kind_of(float value) { return value >= 0 && value <= 65535 ? static_cast<int32_t>(value) : -1; }

std::vector<Detection> from_rows(const Tensor& rows) {
  const int64_t width = rows.shape()[2];
  std::vector<Detection> boxes;
  for (int64_t i = 0; i < rows.shape()[1]; ++i) {
    const float* r = rows.as<float>() + i * width;
    if (width == 6) {
      if (r[4] >= kLeastScore) boxes.push_back({r[0], r[1], r[2], r[3], kind_of(r[5]), r[4]});
      continue;
    }
    const Detection box{r[0] - r[2] / 2, r[1] - r[3] / 2, r[0] + r[2] / 2, r[1] + r[3] / 2};
    add_classes(box, r + 5, width - 5, r[4], boxes);
  }
  return boxes;
}

// Each detection's wanted box, the best scores choosing first.
std::vector<bool> which_are_right(const std::vector<Detection>& got, const std::vector<Detection>& wanted) {
  std::vector<bool> right, met(wanted.size(), false);
  for (const Detection& box : got) {
    size_t best = wanted.size();
    double most = kSameBox;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double share = met[i] || wanted[i].kind != box.kind ? 0 : overlap(box, wanted[i]);
      if (share >= most) most = share, best = i;
    }
    right.push_back(best < wanted.size());
    if (right.back()) met[best] = true;
  }
  return right;
}

}  // namespace

Result<std::vector<Detection>> detections_of(std::span<const Tensor> outputs) {
  for (const Tensor& a : outputs)
    for (const Tensor& b : outputs)
      if (&a != &b && is_list(a) && is_list(b) && a.shape()[2] == 4 && a.shape()[1] == b.shape()[1])
        return without_overlaps(from_pair(a, b));
  for (const Tensor& t : outputs)
    if (is_list(t) && t.shape()[2] >= 6) return without_overlaps(from_rows(t));
  return invalid_argument("no output holds boxes: f32[1,n,4] with f32[1,n,k], f32[1,n,6] or f32[1,n,5+k]");
}

std::vector<Detection> confident(const std::vector<Detection>& boxes) {
  std::vector<Detection> sure;
  std::copy_if(boxes.begin(), boxes.end(), std::back_inserter(sure), [](auto& b) { return b.score >= kConfident; });
  return sure;
}

Result<std::vector<Detection>> read_boxes(const std::string& path) {
  QL_TRY(std::string text, read_file(path, size_t{16} << 20));
  std::vector<Detection> boxes;
  size_t line = 0;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    float v[5];
    const char *p = text.data() + at, *last = text.data() + end;
    at = end + 1;
    if (p == last) continue;
    for (int i = 0; i < 5; ++i) {
      const auto [next, error] = std::from_chars(p, last, v[i]);
      const bool comma = next < last && *next == ',';
      if (error != std::errc() || comma != (i < 4))
        return invalid_argument("'", path, "' line ", line + 1, " is not CLASS,X1,Y1,X2,Y2");
      p = next + comma;
    }
    if (p != last) return invalid_argument("'", path, "' line ", line + 1, " has more than CLASS,X1,Y1,X2,Y2");
    boxes.push_back({v[1], v[2], v[3], v[4], kind_of(v[0])});
  }
  return boxes;
}

void BoxScore::add(const std::vector<Detection>& got, const std::vector<Detection>& wanted) {
  const std::vector<bool> right = which_are_right(got, wanted);
  for (size_t i = 0; i < got.size(); ++i) found_.push_back({got[i].kind, got[i].score, right[i]});
  for (const Detection& box : wanted) wanted_.push_back(box.kind);
}

double BoxScore::value() const {
  std::vector<Found> ranked = found_;
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  const std::set<int32_t> kinds(wanted_.begin(), wanted_.end());
  double sum = 0;
  for (int32_t kind : kinds) {
    const double total = static_cast<double>(std::count(wanted_.begin(), wanted_.end(), kind));
    double right = 0, seen = 0;
    std::vector<double> precision;  // at each right one
    for (const Found& f : ranked) {
      if (f.kind != kind) continue;
      ++seen;
      if (f.right) precision.push_back(++right / seen);
    }
    double best = 0, area = 0;
    for (size_t i = precision.size(); i-- > 0;) area += best = std::max(best, precision[i]);
    sum += area / total;
  }
  return kinds.empty() ? 1 : sum / static_cast<double>(kinds.size());
}

}  // namespace quadlane::tools
