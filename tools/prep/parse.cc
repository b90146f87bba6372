#include <cmath>

#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/prep/preprocessing.h"

namespace quadlane::tools {
namespace {

using nlohmann::json;

constexpr size_t kMaxPrepBytes = 1 << 20;
constexpr size_t kMaxSteps = 64;

Error not_a(const char* what, const json& found) {
  std::string text = found.dump();
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return invalid_argument("expected ", what, ", found ", text);
}

Result<float> number(const json& j) {
  if (!j.is_number() || !std::isfinite(j.get<float>())) return not_a("a number", j);
  return j.get<float>();
}

Result<std::vector<float>> numbers(const json& j) {
  if (!j.is_array() || j.empty()) return not_a("a list of numbers", j);
  std::vector<float> values;
  for (const json& element : j) {
    QL_TRY(float value, number(element));
    values.push_back(value);
  }
  return values;
}

struct Size {
  int rows, columns;
};
Result<Size> size(const json& j) {
  auto side = [](const json& n) { return n.is_number_integer() && n > 0 && n <= kMaxRasterSide; };
  if (!j.is_array() || j.size() != 2 || !side(j[0]) || !side(j[1])) return not_a("[rows, columns]", j);
  return Size{j[0].get<int>(), j[1].get<int>()};
}

template <class Enum>
Result<Enum> choice(const json& j, const std::vector<const char*>& names) {
  for (size_t i = 0; i < names.size(); ++i)
    if (j == names[i]) return static_cast<Enum>(i);
  std::string all;
  for (const char* name : names) all += cat(all.empty() ? "" : ", ", name);
  return not_a(cat("one of ", all).c_str(), j);
}

// The members of a step, each asked for once; what nobody asked for is an error.
class Members {
 public:
  explicit Members(const json& j) : left_(j) {}
  json take(const char* name) {
    json value = left_.contains(name) ? left_[name] : json();
    left_.erase(name);
    return value;
  }
  Status none_left() const {
    if (left_.empty()) return {};
    return invalid_argument("there is no member '", left_.begin().key(), "' here");
  }

 private:
  json left_;
};

Result<PrepStep> resize_step(const json& j, Members& m) {
  QL_TRY(Size to, size(j));
  ResizeStep step{to.rows, to.columns};
  if (json fit = m.take("fit"); !fit.is_null()) {
    QL_TRY(step.fit, choice<Fit>(fit, {"stretch", "inside", "cover"}));
  }
  if (json filter = m.take("filter"); !filter.is_null()) {
    QL_TRY(step.filter, choice<Filter>(filter, {"nearest", "linear", "area"}));
  }
  return PrepStep(step);
}

Result<PrepStep> pad_step(const json& j, Members& m) {
  QL_TRY(Size to, size(j));
  PadStep step{to.rows, to.columns};
  if (json value = m.take("value"); !value.is_null()) {
    QL_TRY(step.value, number(value));
  }
  if (json at = m.take("at"); !at.is_null()) {
    QL_TRY(step.corner, choice<bool>(at, {"center", "corner"}));
  }
  return PrepStep(step);
}

Result<PrepStep> percentile_step(const json& j) {
  auto rank = [](const json& n) { return n.is_number_integer() && n >= 0 && n <= 100; };
  if (!j.is_array() || j.size() != 2 || !rank(j[0]) || !rank(j[1]) || !(j[0] < j[1]))
    return not_a("two rising whole percentages", j);
  return PrepStep(PercentileStep{j[0].get<int>(), j[1].get<int>()});
}

Result<PrepStep> clip_step(const json& j) {
  QL_TRY(std::vector<float> bounds, numbers(j));
  if (bounds.size() != 2 || !(bounds[0] < bounds[1])) return not_a("[low, high]", j);
  return PrepStep(ClipStep{bounds[0], bounds[1]});
}

Result<PrepStep> normalize_step(const json& mean, const json& deviation) {
  NormalizeStep step;
  if (!mean.is_null()) {
    QL_TRY(step.mean, numbers(mean));
  }
  if (!deviation.is_null()) {
    QL_TRY(step.deviation, numbers(deviation));
  }
  if (mean.is_null()) step.mean.assign(step.deviation.size(), 0);
  if (deviation.is_null()) step.deviation.assign(step.mean.size(), 1);
  if (step.mean.size() != step.deviation.size())
    return invalid_argument("mean has ", step.mean.size(), " elements, std has ", step.deviation.size());
  for (float d : step.deviation)
    if (!(d > 0)) return invalid_argument("std holds ", d, ", deviations are above 0");
  return PrepStep(std::move(step));
}

Result<PrepStep> parse_members(Members& m) {
  if (json j = m.take("resize"); !j.is_null()) return resize_step(j, m);
  if (json j = m.take("crop"); !j.is_null()) {
    QL_TRY(Size to, size(j));
    return PrepStep(CropStep{to.rows, to.columns});
  }
  if (json j = m.take("pad"); !j.is_null()) return pad_step(j, m);
  if (json j = m.take("percentile"); !j.is_null()) return percentile_step(j);
  if (json j = m.take("z_score"); !j.is_null()) {
    QL_TRY(bool nonzero, choice<bool>(j, {"all", "nonzero"}));
    return PrepStep(ZScoreStep{nonzero});
  }
  if (json j = m.take("clip"); !j.is_null()) return clip_step(j);
  if (json j = m.take("scale"); !j.is_null()) {
    QL_TRY(float factor, number(j));
    return PrepStep(ScaleStep{factor});
  }
  json mean = m.take("mean"), deviation = m.take("std");
  if (!mean.is_null() || !deviation.is_null()) return normalize_step(mean, deviation);
  return invalid_argument("names no step: resize, crop, pad, percentile, z_score, clip, scale, or mean and std");
}

Result<PrepStep> parse_step(const json& j) {
  if (!j.is_object()) return not_a("a step in braces", j);
  Members members(j);
  QL_TRY(PrepStep step, parse_members(members));
  QL_CHECK_OK(members.none_left());
  return step;
}

}  // namespace

Result<Preprocessing> Preprocessing::parse(const std::string& text) {
  QL_TRY(const json file, parse_json(text, kMaxPrepBytes));
  if (!file.is_object()) return invalid_argument("no JSON object");
  Members members(file);
  Preprocessing prep;
  prep.text = text;
  if (json version = members.take("quadlane_preprocessing"); version != 1)
    return not_a("quadlane_preprocessing 1", version);
  if (json color = members.take("color"); !color.is_null()) {
    QL_TRY(prep.color, choice<Color>(color, {"grey", "rgb", "bgr"}));
  }
  const json steps = members.take("steps");
  if (!steps.is_array() || steps.size() > kMaxSteps)
    return not_a(cat("a list of at most ", kMaxSteps, " steps").c_str(), steps);
  for (size_t i = 0; i < steps.size(); ++i) {
    QL_TRY(PrepStep step, parse_step(steps[i]).context(cat("step ", i + 1)));
    prep.steps.push_back(std::move(step));
  }
  QL_CHECK_OK(members.none_left());
  return prep;
}

Result<Preprocessing> Preprocessing::read(const std::string& path) {
  const std::string where = cat("preprocessing '", path, "'");
  auto text = read_file(path, kMaxPrepBytes).context(where);
  if (!text.ok()) return std::move(text).error();
  return parse(*text).context(where);
}

}  // namespace quadlane::tools
