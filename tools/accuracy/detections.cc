#include "tools/accuracy/detections.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr float kLeastScore = 0.05f, kConfident = 0.5f;
constexpr double kSameBox = 0.5;
constexpr int32_t kLastKind = 65535;
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
void add_classes(Detection box, const float* scores, int64_t count, int64_t step, float factor,
                 std::vector<Detection>& boxes) {
  for (int64_t k = 0; k < count; ++k) {
    box.kind = static_cast<int32_t>(k);
    box.score = factor * scores[k * step];
    if (box.score >= kLeastScore) boxes.push_back(box);
  }
}

bool is_list(const Tensor& t) { return t.dtype() == DType::f32 && t.shape().size() == 3 && t.shape()[0] == 1; }

std::vector<Detection> from_pair(const Tensor& corners, const Tensor& scores) {
  const int64_t kinds = scores.shape()[2], first = kinds > 1 ? 1 : 0;
  std::vector<Detection> boxes;
  for (int64_t i = 0; i < std::min(corners.shape()[1], scores.shape()[1]); ++i) {
    const float* b = corners.as<float>() + 4 * i;
    add_classes({b[0], b[1], b[2], b[3]}, scores.as<float>() + i * kinds + first, kinds - first, 1, 1, boxes);
  }
  return boxes;
}

// No class for what is none.
int32_t kind_of(float value) { return value >= 0 && value <= kLastKind ? static_cast<int32_t>(value) : -1; }

std::vector<Detection> from_corners(const Tensor& rows) {
  std::vector<Detection> boxes;
  for (int64_t i = 0; i < rows.shape()[1]; ++i) {
    const float* r = rows.as<float>() + i * 6;
    if (r[4] >= kLeastScore) boxes.push_back({r[0], r[1], r[2], r[3], kind_of(r[5]), r[4]});
  }
  return boxes;
}

std::vector<Detection> from_centres(const Tensor& t, bool columns) {
  const int64_t count = t.shape()[columns ? 2 : 1], width = t.shape()[columns ? 1 : 2];
  const int64_t next = columns ? 1 : width, step = columns ? count : 1;  // to the next box, and number
  const int64_t first = columns ? 4 : 5;
  std::vector<Detection> boxes;
  for (int64_t i = 0; i < count; ++i) {
    const float* r = t.as<float>() + i * next;
    const float x = r[0], y = r[step], w = r[2 * step], h = r[3 * step];
    const Detection box{x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    add_classes(box, r + first * step, width - first, step, columns ? 1 : r[4], boxes);
  }
  return boxes;
}

// Of [1, n, 6]: a detector of one class gives its probability where others give a class.
bool ends_in_classes(const Tensor& rows) {
  const float* v = rows.as<float>();
  for (int64_t i = 5; i < rows.count(); i += 6)
    if (v[i] != std::floor(v[i])) return false;
  return true;
}

std::optional<BoxForm> form_of_one(const Tensor& t, size_t output) {
  if (!is_list(t)) return std::nullopt;
  const int64_t rows = t.shape()[1], width = t.shape()[2];
  if (width == 6 && ends_in_classes(t)) return BoxForm{BoxForm::Kind::corners, output, output, width, kLastKind + 1};
  if (width != 6 && rows > 4 && rows < width) return BoxForm{BoxForm::Kind::columns, output, output, rows, rows - 4};
  if (width >= 6) return BoxForm{BoxForm::Kind::centres, output, output, width, width - 5};
  return std::nullopt;
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

Result<BoxForm> box_form(std::span<const Tensor> outputs) {
  for (size_t a = 0; a < outputs.size(); ++a)
    for (size_t b = 0; b < outputs.size(); ++b) {
      const Tensor &corners = outputs[a], &scores = outputs[b];
      if (a == b || !is_list(corners) || !is_list(scores)) continue;
      const int64_t kinds = scores.shape()[2];
      if (corners.shape()[2] == 4 && corners.shape()[1] == scores.shape()[1])
        return BoxForm{BoxForm::Kind::pair, a, b, 4, kinds > 1 ? kinds - 1 : kinds};
    }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (std::optional<BoxForm> form = form_of_one(outputs[i], i)) return *form;
  return invalid_argument(
      "no output holds boxes: f32[1,n,4] with f32[1,n,k], f32[1,n,6], f32[1,n,5+k] or f32[1,4+k,n] with n > 4+k");
}

std::vector<Detection> detections_of(std::span<const Tensor> outputs, const BoxForm& form) {
  const Tensor &boxes = outputs[form.boxes], &scores = outputs[form.scores];
  const size_t numbers = form.kind == BoxForm::Kind::columns ? 1 : 2;
  if (!is_list(boxes) || !is_list(scores) || boxes.shape()[numbers] != form.width) return {};
  switch (form.kind) {
    case BoxForm::Kind::pair: return without_overlaps(from_pair(boxes, scores));
    case BoxForm::Kind::corners: return without_overlaps(from_corners(boxes));
    case BoxForm::Kind::centres: return without_overlaps(from_centres(boxes, false));
    case BoxForm::Kind::columns: return without_overlaps(from_centres(boxes, true));
  }
  return {};
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

BoxScore& BoxScore::operator+=(const BoxScore& other) {
  found_.insert(found_.end(), other.found_.begin(), other.found_.end());
  wanted_.insert(wanted_.end(), other.wanted_.begin(), other.wanted_.end());
  return *this;
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
