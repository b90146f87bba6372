// Several streams of one model at work side by side, one calling thread each.
#pragma once

#include <functional>
#include <vector>

#include "engine/api/engine.h"

namespace quadlane::tools {

struct StreamSettings {
  int streams = 1;  // requests in flight
  int threads = 1;  // for each stream
  bool pin = false;
};

// "4" or "auto"; 0 for auto.
Result<int> parse_count(const std::string& text, const char* option);
// Replaces 0 by what the machine has room for: streams * threads = usable cores.
StreamSettings resolve(StreamSettings, int usable_cores);

class StreamGroup {
 public:
  static Result<StreamGroup> open(const Model&, const StreamSettings&);
  int size() const { return static_cast<int>(streams_.size()); }
  run::Stream& stream(int i) { return streams_[static_cast<size_t>(i)]; }

  // Calls work(i, stream i) on a thread of its own for every i and waits for all; the first error in order of i.
  Status run(const std::function<Status(int, run::Stream&)>& work);

 private:
  std::vector<run::Stream> streams_;
};

}  // namespace quadlane::tools
