#include "engine/compile/schedule_book.h"

#include <charconv>

namespace quadlane::compile {
namespace {

constexpr size_t kMostLines = 100000;

// "3,8,3,1,256" -> numbers; empty where it is no such list.
std::vector<int> numbers(std::string_view text) {
  std::vector<int> list;
  const char *at = text.data(), *end = at + text.size();
  while (at < end) {
    int value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    if (code != std::errc() || value < 0 || (next != end && *next != ',')) return {};
    list.push_back(value);
    at = next == end ? end : next + 1;
  }
  return list;
}

}  // namespace

bool same_tile(const ConvSchedule& a, const ConvSchedule& b) {
  return a.pv == b.pv && a.no == b.no && a.pass_registers == b.pass_registers &&
         a.weight_registers == b.weight_registers && a.prefetch == b.prefetch;
}
bool same_tile(const OconvSchedule& a, const OconvSchedule& b) {
  return a.rows == b.rows && a.columns == b.columns && a.vectors == b.vectors;
}

Result<ScheduleBook> ScheduleBook::from_text(std::string_view text) {
  ScheduleBook book;
  size_t line = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (++line > kMostLines) return invalid_argument("more than ", kMostLines, " schedules");
    const size_t tab = row.find('\t');
    const std::string_view schedule = row.substr(0, tab);
    const std::vector<int> n = numbers(schedule);
    if (tab == std::string_view::npos || (n.size() != 5 && n.size() != 3 && schedule != "none"))
      return invalid_argument("line ", line, " is no schedule: expected 5 or 3 numbers or none, a tab, a problem");
    const std::string problem(row.substr(tab + 1));
    if (n.size() == 5)
      book.flat_[problem] = {n[0], n[1], n[2], n[3] != 0, n[4], 0};
    else
      book.lanes_[problem] = n.empty() ? std::nullopt : std::optional(OconvSchedule{n[0], n[1], n[2], 0});
  }
  return book;
}

std::string ScheduleBook::to_text() const {
  std::string text;
  for (const auto& [problem, s] : flat_)
    text += cat(s.pv, ",", s.no, ",", s.pass_registers, ",", s.weight_registers ? 1 : 0, ",", s.prefetch, "\t", problem,
                "\n");
  for (const auto& [problem, s] : lanes_)
    text += s ? cat(s->rows, ",", s->columns, ",", s->vectors, "\t", problem, "\n") : cat("none\t", problem, "\n");
  return text;
}

const ConvSchedule* ScheduleBook::find(const std::string& problem) const {
  const auto it = flat_.find(problem);
  return it == flat_.end() ? nullptr : &it->second;
}
const std::optional<OconvSchedule>* ScheduleBook::find_lanes(const std::string& problem) const {
  const auto it = lanes_.find(problem);
  return it == lanes_.end() ? nullptr : &it->second;
}
void ScheduleBook::keep(const std::string& problem, const ConvSchedule& schedule) {
  flat_[problem] = schedule;
  news_ = true;
}
void ScheduleBook::keep_lanes(const std::string& problem, const std::optional<OconvSchedule>& schedule) {
  lanes_[problem] = schedule;
  news_ = true;
}

}  // namespace quadlane::compile
