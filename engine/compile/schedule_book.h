// Schedules chosen by timing, kept for the next compilation: by processor and description of the problem.
//
// The text form is a line for each, "SCHEDULE<tab>PROBLEM": pv,no,pass registers,weights in registers,prefetch for
// pixels in the lanes; rows,columns,vectors for outputs in the lanes, or "none" where that family lost. Whoever takes a
// schedule from a book must find it among today's candidates: a book is a hint, from a file that anybody may have
// written. Not for two compilations at the same time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "jit/kernels/conv.h"
#include "jit/kernels/oconv.h"

namespace quadlane::compile {

class ScheduleBook {
 public:
  // Refuses a line that is none, naming it.
  static Result<ScheduleBook> from_text(std::string_view text);
  std::string to_text() const;

  const ConvSchedule* find(const std::string& problem) const;
  const std::optional<OconvSchedule>* find_lanes(const std::string& problem) const;
  void keep(const std::string& problem, const ConvSchedule&);
  void keep_lanes(const std::string& problem, const std::optional<OconvSchedule>&);

  // Called after a compilation that kept something new; empty: the book lives in memory alone.
  std::function<void(const ScheduleBook&)> save;
  void compiled() {
    if (std::exchange(news_, false) && save) save(*this);
  }

 private:
  std::map<std::string, ConvSchedule> flat_;
  std::map<std::string, std::optional<OconvSchedule>> lanes_;
  bool news_ = false;
};

// Whether two schedules tile alike, whatever the model thought of them.
bool same_tile(const ConvSchedule&, const ConvSchedule&);
bool same_tile(const OconvSchedule&, const OconvSchedule&);

}  // namespace quadlane::compile
