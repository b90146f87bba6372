// Hardware counters of the calling thread, where the system lends them; virtual machines often have none.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace quadlane::measure {

class Counters {
 public:
  Counters();
  ~Counters();
  Counters(const Counters&) = delete;

  void start();
  void stop();  // counts since start() are added up

  struct Value {
    std::string name;             // "instructions"
    std::optional<double> count;  // none: not available
  };
  std::vector<Value> values() const;
  // Why those without a count have none; empty when all have one.
  const std::string& remark() const { return remark_; }

 private:
  struct Counter {
    const char* name;
    int file;
    double sum = 0;
  };
  std::vector<Counter> counters_;
  std::string remark_;
};

}  // namespace quadlane::measure
