#include "tools/accuracy/task_score.h"

#include <algorithm>

namespace quadlane::tools {
namespace {

// Where the classes of an output of floats lie: channels of pixels, or the elements of a row (top1).
struct Layout {
  int64_t batch, channels, pixels;
  bool last;  // channels
};

Result<Layout> layout_of(Metric metric, const TensorType& type) {
  const Shape& s = type.shape;
  const int64_t batch = s.size() > 1 ? s[0] : 1, inner = batch > 0 ? type.count() / batch : 0;
  if (metric == Metric::top1) return Layout{batch, inner, 1, false};
  if (s.size() < 3) return invalid_argument("an output ", to_string(type), " has no pixels to compare");
  const bool last = channels_last(s);
  const int64_t channels = last ? s.back() : s[1];
  return Layout{batch, channels, channels > 0 ? inner / channels : 0, last};
}

Classes classes_in(Metric metric, const Tensor& integers) {
  const Shape& s = integers.shape();
  const bool rows = metric == Metric::top1 && s.size() > 1 && s[0] > 0;
  const int64_t step = rows ? std::max<int64_t>(integers.count() / s[0], 1) : 1;
  Classes classes;
  for (int64_t i = 0; i < integers.count(); i += step)
    classes.push_back(static_cast<int32_t>(element_as_double(integers.view(), i)));
  return classes;
}

}  // namespace

bool channels_last(const Shape& s) { return s.size() == 4 && s[3] < s[1] && s[3] < s[2]; }

std::optional<Metric> metric_of(std::string_view name) {
  if (name == "dice") return Metric::dice;
  if (name == "miou") return Metric::miou;
  if (name == "top1") return Metric::top1;
  if (name == "sqnr") return Metric::sqnr;
  if (name == "map") return Metric::map;
  return std::nullopt;
}

float threshold_of(const Tensor& t) {
  if (t.dtype() != DType::f32) return 0;
  const float* v = t.as<float>();
  return std::all_of(v, v + t.count(), [](float x) { return x >= 0 && x <= 1; }) ? 0.5f : 0.0f;
}

Result<Classes> classes_of(Metric metric, const Tensor& t, float threshold) {
  if (t.dtype() != DType::f32) return classes_in(metric, t);
  QL_TRY(const Layout at, layout_of(metric, t.type()));
  const int64_t next_channel = at.last ? 1 : at.pixels, next_pixel = at.last ? at.channels : 1;
  Classes classes;
  for (int64_t n = 0; n < at.batch && at.channels > 0; ++n)
    for (int64_t i = 0; i < at.pixels; ++i) {
      const float* p = t.as<float>() + n * at.channels * at.pixels + i * next_pixel;
      int32_t best = at.channels == 1 ? p[0] > threshold : 0;
      for (int64_t c = 1; c < at.channels; ++c)
        if (p[c * next_channel] > p[best * next_channel]) best = static_cast<int32_t>(c);
      classes.push_back(best);
    }
  return classes;
}

Result<LabelForm> label_form(Metric metric, const Tensor& t) {
  Shape shape = t.shape();
  if (t.dtype() != DType::f32) {
    if (metric == Metric::top1 && shape.size() > 1) shape = {shape[0]};
    return LabelForm{std::move(shape), TaskScore::kLastClass + 1};
  }
  QL_TRY(const Layout at, layout_of(metric, t.type()));
  const int64_t classes = std::max<int64_t>(at.channels, 2);  // one channel tells two
  if (metric == Metric::top1) return LabelForm{{at.batch}, classes};
  shape.erase(at.last ? shape.end() - 1 : shape.begin() + 1);
  return LabelForm{std::move(shape), classes};
}

void TaskScore::add(const Classes& got, const Classes& wanted) {
  if (metric_ == Metric::top1) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] == kAnyClass) continue;
      all_ += 1;
      right_ += i < got.size() && got[i] == wanted[i];
    }
    return;
  }
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    if (wanted[i] == kAnyClass) continue;
    const bool some_class = got[i] >= 0 && got[i] <= kLastClass;  // an integer output may say anything
    const size_t most = static_cast<size_t>(std::max(some_class ? got[i] : 0, wanted[i]));
    if (counts_.size() <= most) counts_.resize(most + 1);
    if (some_class) counts_[static_cast<size_t>(got[i])].got += 1;
    counts_[static_cast<size_t>(wanted[i])].wanted += 1;
    if (got[i] == wanted[i]) counts_[static_cast<size_t>(got[i])].both += 1;
  }
}

TaskScore& TaskScore::operator+=(const TaskScore& other) {
  counts_.resize(std::max(counts_.size(), other.counts_.size()));
  for (size_t k = 0; k < other.counts_.size(); ++k) {
    counts_[k].both += other.counts_[k].both;
    counts_[k].got += other.counts_[k].got;
    counts_[k].wanted += other.counts_[k].wanted;
  }
  right_ += other.right_;
  all_ += other.all_;
  return *this;
}

double TaskScore::value() const {
  if (metric_ == Metric::top1) return all_ > 0 ? right_ / all_ : 1;
  double sum = 0, classes = 0;
  for (size_t k = metric_ == Metric::dice ? 1 : 0; k < counts_.size(); ++k) {
    const Count& c = counts_[k];
    if (c.got + c.wanted == 0) continue;
    sum += metric_ == Metric::dice ? 2 * c.both / (c.got + c.wanted) : c.both / (c.got + c.wanted - c.both);
    classes += 1;
  }
  return classes > 0 ? sum / classes : 1;
}

}  // namespace quadlane::tools
