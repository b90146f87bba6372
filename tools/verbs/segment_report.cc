#include "tools/verbs/segment_report.h"

#include <cmath>

#include "tools/cli/table.h"

namespace quadlane::tools {
namespace {

using Json = nlohmann::ordered_json;

Json ventricle_json(const Ventricle& v) {
  return {
      {"edv_ml", v.edv_ml}, {"esv_ml", v.esv_ml}, {"stroke_ml", v.stroke_ml()}, {"ef_percent", v.ejection_percent()}};
}

Json function_json(const HeartFunction& f) {
  return {{"end_diastole_phase", f.end_diastole},
          {"end_systole_phase", f.end_systole},
          {"lv", ventricle_json(f.left)},
          {"rv", ventricle_json(f.right)},
          {"lv_mass_g", f.mass_g}};
}

Json reading_json(const Report& r, const Reading& reading) {
  double seconds = reading.segmentation.seconds;
  return {{"model", reading.model},
          {"precision", reading.precision},
          {"isa", reading.isa},
          {"compile_ms", reading.compile_ms},
          {"exam_seconds", seconds},
          {"images_per_s", seconds > 0 ? r.exam.images() / seconds : 0},
          {"function", function_json(reading.function)}};
}

// Dice of each structure against the truth and their mean; null for a structure neither has.
Json dice_json(const Reading& reading, std::span<const uint8_t> truth) {
  Json json;
  double sum = 0;
  int found = 0;
  for (uint8_t k = 1; k < kLabels; ++k) {
    auto value = dice(reading.segmentation.labels, truth, k);
    json[kLabelNames[k]] = value ? Json(*value) : Json();
    if (value) sum += *value, ++found;
  }
  json["mean"] = found ? Json(sum / found) : Json();
  return json;
}

Json phases_json(const Report& r) {
  Json phases = Json::array();
  for (size_t t = 0; t < r.main.function.volume_ml.size(); ++t) {
    const auto& ml = r.main.function.volume_ml[t];
    phases.push_back({{"phase", t},
                      {"time_ms", static_cast<double>(t) * r.exam.image.phase_ms},
                      {"lv_ml", ml[kLeftVentricle]},
                      {"rv_ml", ml[kRightVentricle]},
                      {"myocardium_ml", ml[kMyocardium]}});
  }
  return phases;
}

Table phase_table(const Report& r, int decimals) {
  Table table({"phase", "time_ms", "lv_ml", "rv_ml", "myocardium_ml", "myocardium_g", "mark"});
  const HeartFunction& f = r.main.function;
  for (size_t t = 0; t < f.volume_ml.size(); ++t) {
    const auto& ml = f.volume_ml[t];
    int phase = static_cast<int>(t);
    table.add({cat(t), fixed(static_cast<double>(t) * r.exam.image.phase_ms, 1), fixed(ml[kLeftVentricle], decimals),
               fixed(ml[kRightVentricle], decimals), fixed(ml[kMyocardium], decimals),
               fixed(ml[kMyocardium] * kMuscleGramsPerMl, decimals),
               phase == f.end_diastole  ? "ED"
               : phase == f.end_systole ? "ES"
                                        : ""});
  }
  return table;
}

std::vector<std::string> function_row(const std::string& name, const HeartFunction& f) {
  return {name,
          fixed(f.left.edv_ml, 1),
          fixed(f.left.esv_ml, 1),
          fixed(f.left.ejection_percent(), 1),
          fixed(f.right.edv_ml, 1),
          fixed(f.right.esv_ml, 1),
          fixed(f.right.ejection_percent(), 1),
          fixed(f.mass_g, 1)};
}

std::string dice_line(const std::string& name, const Json& d) {
  std::string line = cat("Dice against truth, ", name, ":");
  for (auto& [key, value] : d.items())
    line += cat("  ", key, " ", value.is_number() ? fixed(value.get<double>(), 4) : std::string("-"));
  return line + "\n";
}

}  // namespace

std::string phase_csv(const Report& r) { return phase_table(r, 3).csv(); }

std::string summary_text(const Report& r) {
  std::string text = phase_table(r, 1).text() + "\n";
  Table table({"", "LV EDV ml", "ESV ml", "EF %", "RV EDV ml", "ESV ml", "EF %", "LV mass g"});
  table.add(function_row(r.main.precision, r.main.function));
  if (r.other) table.add(function_row(r.other->precision, r.other->function));
  if (r.truth) table.add(function_row("truth", measure(r.exam, *r.truth)));
  text += table.text() + "\n";

  auto speed = [&](const Reading& reading) {
    double s = reading.segmentation.seconds;
    return cat(reading.precision, " on ", reading.isa, ": ", r.exam.images(), " slices in ", fixed(s, 2), " s, ",
               fixed(r.exam.images() / s, 1), " images/s, ", r.streams.streams, " streams x ", r.streams.threads,
               " threads\n");
  };
  text += speed(r.main);
  if (r.other) text += speed(*r.other);
  if (r.truth) text += dice_line(r.main.precision, dice_json(r.main, *r.truth));
  if (r.truth && r.other) text += dice_line(r.other->precision, dice_json(*r.other, *r.truth));
  if (r.other) {
    const auto &a = r.main.segmentation.labels, &b = r.other->segmentation.labels;
    text +=
        cat(r.main.precision, " against ", r.other->precision, ": ", changed(a, b), " of ", a.size(),
            " voxels changed, EF differs by ",
            fixed(std::fabs(r.main.function.left.ejection_percent() - r.other->function.left.ejection_percent()), 2),
            " points\n");
  }
  return text;
}

nlohmann::ordered_json summary_json(const Report& r) {
  const Exam& e = r.exam;
  Json json = {{"input", r.input},
               {"exam",
                {{"columns", e.columns()},
                 {"rows", e.rows()},
                 {"slices", e.slices()},
                 {"phases", e.phases()},
                 {"spacing_mm", e.image.spacing_mm},
                 {"phase_ms", e.image.phase_ms}}},
               {"streams", r.streams.streams},
               {"threads", r.streams.threads}};
  json.update(reading_json(r, r.main));
  json["phases"] = phases_json(r);
  if (r.truth) {
    json["truth"] = {{"function", function_json(measure(e, *r.truth))}, {"dice", dice_json(r.main, *r.truth)}};
  }
  if (r.other) {
    const auto &a = r.main.segmentation.labels, &b = r.other->segmentation.labels;
    Json other = reading_json(r, *r.other);
    other["changed_voxels"] = changed(a, b);
    other["changed_share"] = static_cast<double>(changed(a, b)) / static_cast<double>(a.size());
    other["ef_difference_points"] = r.main.function.left.ejection_percent() - r.other->function.left.ejection_percent();
    if (r.truth) other["dice"] = dice_json(*r.other, *r.truth);
    json["compare"] = std::move(other);
  }
  return json;
}

}  // namespace quadlane::tools
