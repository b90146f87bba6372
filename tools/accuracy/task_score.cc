#include "tools/accuracy/task_score.h"

#include <algorithm>

namespace quadlane::tools {
namespace {

// [N, H, W, C], as networks from TensorFlow have it: fewer channels than rows and columns.
bool channels_last(const Shape& s) { return s.size() == 4 && s[3] < s[1] && s[3] < s[2]; }

}  // namespace

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
  const Shape& s = t.shape();
  if (t.dtype() != DType::f32) {
    Classes classes(static_cast<size_t>(t.count()));
    for (int64_t i = 0; i < t.count(); ++i)
      classes[static_cast<size_t>(i)] = static_cast<int32_t>(element_as_double(t.view(), i));
    return classes;
  }
  const float* v = t.as<float>();
  if (metric == Metric::top1) return Classes{static_cast<int32_t>(std::max_element(v, v + t.count()) - v)};
  if (s.size() < 3) return invalid_argument("an output ", to_string(t.type()), " has no pixels to compare");
  const bool last = channels_last(s);
  const int64_t channels = last ? s.back() : s[1], inner = t.count() / s[0] / channels;
  const int64_t next_channel = last ? 1 : inner, next_pixel = last ? channels : 1;
  Classes classes;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t i = 0; i < inner; ++i) {
      const float* p = v + n * channels * inner + i * next_pixel;
      int32_t best = channels == 1 ? p[0] > threshold : 0;
      for (int64_t c = 1; c < channels; ++c)
        if (p[c * next_channel] > p[best * next_channel]) best = static_cast<int32_t>(c);
      classes.push_back(best);
    }
  return classes;
}

void TaskScore::add(const Classes& got, const Classes& wanted) {
  if (metric_ == Metric::top1) {
    all_ += 1;
    right_ += got[0] == wanted[0];
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
