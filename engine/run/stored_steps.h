// Steps in a plan file. Each is stored as the name of its type, what it is for people, and its members.
#pragma once

#include "engine/run/checker.h"

namespace quadlane::run {

// Further types of steps: those of other libraries, which this one does not know.
struct StepCodec {
  virtual ~StepCodec() = default;
  // Whether the step is one of its types, written with a name that no other type has.
  virtual bool write(FieldWriter&, const Step&) const = 0;
  // Null where the name is none of its types.
  virtual std::unique_ptr<Step> read(FieldReader&, const std::string& type, Checker&) const = 0;
};

Status write_step(FieldWriter&, const Step&, const StepCodec* others = nullptr);
// Checked: the step touches nothing but what the checker allows.
Result<std::unique_ptr<const Step>> read_step(FieldReader&, Checker&, const StepCodec* others = nullptr);

}  // namespace quadlane::run
