#include "tools/compare/ort_nodes.h"

#include <filesystem>
#include <map>

#include "engine/run/profile.h"
#include "tools/cli/table.h"
#include "tools/compare/step_names.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr int kRuns = 15;

Result<std::string> profile_text(const peers::Ort& ort, const Workload& w, const PeerModel& model) {
  QL_TRY(auto scratch, TemporaryFolder::make());
  QL_TRY(Lane lane, Lane::make(w.model, w.given, 1));
  {
    QL_TRY(peers::OrtSession session,
           peers::OrtSession::load(ort, model.path, w.settings.threads, 1, scratch->path("profile")));
    QL_CHECK_OK(session.bind(w.model.inputs(), lane.inputs, w.model.outputs(), lane.outputs.views()));
    for (int i = 0; i < kRuns; ++i) QL_CHECK_OK(session.run());
  }  // writes the file
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(scratch->path(""), none)) return read_file(entry.path());
  return make_error(Code::io, "ONNX Runtime wrote no profile");
}

bool belongs(const std::string& node, const std::string& step) {
  return node.compare(0, step.size(), step) == 0 &&
         (node.size() == step.size() || !std::isalnum(static_cast<unsigned char>(node[step.size()])));
}

}  // namespace

Result<std::vector<NodeTime>> parse_ort_profile(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return invalid_argument("ONNX Runtime's profile is no list of events");
  const std::string suffix = "_kernel_time";
  std::map<std::string, size_t> places;
  std::vector<NodeTime> nodes;
  try {
    for (const auto& event : json) {
      std::string name = event.value("name", "");
      if (event.value("cat", "") != "Node" || !ends_with(name, suffix)) continue;
      name.resize(name.size() - suffix.size());
      const double ms = 1e-3 * event.at("dur").get<double>();
      const auto [place, first] = places.try_emplace(name, nodes.size());
      if (first) nodes.push_back({name, event.at("args").at("op_name").get<std::string>(), ms});
      nodes[place->second].ms = std::min(nodes[place->second].ms, ms);
    }
  } catch (const nlohmann::json::exception& error) {
    return invalid_argument("ONNX Runtime's profile lacks something: ", std::string(error.what()));
  }
  return nodes;
}

std::vector<NodePair> pair_nodes(std::vector<NodePair> pairs, const std::vector<NodeTime>& nodes) {
  const size_t steps = pairs.size();
  std::map<std::string, size_t> others;  // by operator, of the nodes that belong to no step
  for (const NodeTime& node : nodes) {
    size_t best = steps, longest = 0;
    auto look = [&](const std::string& name, size_t step) {
      if (name.size() > longest && belongs(node.name, name)) best = step, longest = name.size();
    };
    for (size_t s = 0; s < steps; ++s) {
      look(pairs[s].name, s);
      for (const std::string& name : pairs[s].names) look(name, s);
    }
    if (best == steps) {
      best = others.try_emplace(node.op, pairs.size()).first->second;
      if (best == pairs.size()) pairs.push_back({});
    }
    NodePair& pair = pairs[best];
    pair.ort_ms += node.ms;
    if (pair.ort_operators.find(node.op) == std::string::npos)
      pair.ort_operators += cat(pair.ort_operators.empty() ? "" : ", ", node.op);
  }
  return pairs;
}

Result<std::vector<NodePair>> ort_nodes(const peers::Ort& ort, const WorkloadArgs& args, const Workload& w,
                                        const std::string& file) {
  QL_TRY(PeerModel model, peer_model(args, w, file));
  QL_TRY(Graph graph, peer_graph(model, w));
  QL_TRY(std::string text, profile_text(ort, w, model));
  QL_TRY(std::vector<NodeTime> nodes, parse_ort_profile(text));
  StreamSettings one = w.settings;
  one.streams = 1;
  QL_TRY(StreamGroup group, StreamGroup::open(w.model, one));
  QL_TRY(Lane lane, Lane::make(w.model, w.given, 1));
  QL_TRY(auto times, run::profile_run(group.stream(0), views_of(lane.inputs), lane.outputs.views(), kRuns));
  std::vector<NodePair> steps;
  std::vector<std::string> names;
  for (const run::StepTime& time : times) {
    const run::StepInfo& info = w.model.plan().steps[time.step]->info;
    steps.push_back({info.name, info.op, 1e3 * time.seconds});
    names.push_back(info.name);
  }
  std::vector<StepNames> named = names_of_steps(graph, names);
  for (size_t i = 0; i < steps.size(); ++i) steps[i].names = std::move(named[i].names);
  return pair_nodes(std::move(steps), nodes);
}

std::string node_table(const std::vector<NodePair>& pairs) {
  Table table({"layer", "operator", "Quadlane ms", "ONNX Runtime ms", "its operators"});
  double ours = 0, theirs = 0;
  for (const NodePair& p : pairs) {
    table.add({p.name.empty() ? "(no layer of ours)" : p.name, p.op, p.name.empty() ? "" : fixed(p.ms, 4),
               p.ort_operators.empty() ? "" : fixed(p.ort_ms, 4), p.ort_operators});
    ours += p.ms;
    theirs += p.ort_ms;
  }
  return cat(table.text(), "sum: ", fixed(ours, 3), " ms against ", fixed(theirs, 3), " ms\n");
}

nlohmann::ordered_json node_json(const std::vector<NodePair>& pairs) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const NodePair& p : pairs)
    list.push_back(
        {{"name", p.name}, {"op", p.op}, {"ms", p.ms}, {"ort_ms", p.ort_ms}, {"ort_operators", p.ort_operators}});
  return list;
}

}  // namespace quadlane::tools
