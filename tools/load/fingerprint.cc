#include "tools/load/fingerprint.h"

#include "engine/base/cpu.h"
#include "engine/base/sha256.h"
#include "engine/run/topology.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {

nlohmann::ordered_json host_json() {
  const measure::Host host = measure::describe_host();
  return {{"cpu", host.cpu},
          {"cores", run::detect_topology().usable_threads()},
          {"best_isa", to_string(detect_cpu().best_isa())},
          {"isas", host.isas},
          {"logical_processors", host.logical},
          {"physical_cores", host.physical},
          {"threads_per_core", host.smt},
          {"numa_nodes", host.nodes},
          {"quota", host.quota > 0 ? nlohmann::ordered_json(host.quota) : nlohmann::ordered_json("none")},
          {"virtual_machine", host.virtual_machine},
          {"governor", host.governor},
          {"memory_gib", host.memory_gib},
          {"system", host.system},
          {"build", cat("quadlane ", QUADLANE_VERSION, ", ", host.build)}};
}

Result<std::string> model_sha256(const std::string& path) {
  QL_TRY(std::string bytes, read_file(path));
  return sha256_hex(bytes);
}

}  // namespace quadlane::tools
