#include "tools/cli/streams.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "engine/run/topology.h"

namespace quadlane::tools {

Result<int> parse_count(const std::string& text, const char* option) {
  if (text == "auto") return 0;
  int count = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code != std::errc() || end != text.data() + text.size() || count < 1 || count > 4096)
    return invalid_argument(option, " '", text, "' is neither a number from 1 to 4096 nor auto");
  return count;
}

StreamSettings resolve(StreamSettings s, int usable_cores) {
  if (s.threads == 0) s.threads = s.streams == 0 ? 1 : std::max(1, usable_cores / s.streams);
  if (s.streams == 0) s.streams = std::max(1, usable_cores / s.threads);
  return s;
}

Result<StreamGroup> StreamGroup::open(const Model& model, const StreamSettings& settings) {
  StreamGroup group;
  const run::Topology topology = run::detect_topology();
  for (run::StreamPlace& place : run::place_streams(topology, settings.streams, settings.threads)) {
    run::StreamOptions options;
    options.threads = settings.threads;
    options.numa_node = topology.nodes > 1 ? place.node : -1;
    if (settings.pin) options.processors = std::move(place.processors);
    QL_TRY(run::Stream stream, model.open_stream(options));
    group.streams_.push_back(std::move(stream));
  }
  return group;
}

Status StreamGroup::run(const std::function<Status(int, run::Stream&)>& work) {
  std::vector<Status> results(streams_.size());
  std::vector<std::thread> workers;
  for (size_t i = 1; i < streams_.size(); ++i)
    workers.emplace_back([&, i] { results[i] = work(static_cast<int>(i), streams_[i]); });
  if (!streams_.empty()) results[0] = work(0, streams_[0]);
  for (std::thread& worker : workers) worker.join();
  for (Status& result : results)
    if (!result.ok()) return std::move(result);
  return {};
}

}  // namespace quadlane::tools
