// What `quadlane segment` tells about a segmented exam: the table for people, CSV and JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tools/heart/measure.h"
#include "tools/verbs/segment_exam.h"

namespace quadlane::tools {

// One model's result on the exam.
struct Reading {
  std::string model, precision, isa;
  Segmentation segmentation;
  HeartFunction function;
  double compile_ms = 0;
};

struct Report {
  const Exam& exam;
  std::string input;
  StreamSettings streams;
  Reading main;
  std::optional<Reading> other;               // of --compare
  std::optional<std::vector<uint8_t>> truth;  // of --truth
};

std::string phase_csv(const Report&);
std::string summary_text(const Report&);
nlohmann::ordered_json summary_json(const Report&);

}  // namespace quadlane::tools
