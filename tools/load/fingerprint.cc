#include "tools/load/fingerprint.h"

#include <link.h>

#include <cstdio>
#include <cstring>

#include "engine/base/cpu.h"
#include "engine/base/sha256.h"
#include "engine/run/topology.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {
namespace {

// The program's notes, of which the linker's hash of everything it linked is one: owner "GNU", type 3.
int find_build_id(dl_phdr_info* info, size_t, void* result) {
  auto padded = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
    for (const char* end = at + segment.p_memsz; at + sizeof(ElfW(Nhdr)) <= end;) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char* owner = at + sizeof note;
      const char* bytes = owner + padded(note.n_namesz);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(owner, "GNU", 4) == 0)
        static_cast<std::string*>(result)->assign(bytes, note.n_descsz);
      at = bytes + padded(note.n_descsz);
    }
  }
  return 1;  // the program itself comes first
}

}  // namespace

std::string build_id() {
  std::string bytes, text;
  dl_iterate_phdr(find_build_id, &bytes);
  for (const char byte : bytes) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(byte));
    text += hex;
  }
  return text.empty() ? "unknown" : text;
}

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
          {"build", cat("quadlane ", QUADLANE_VERSION, ", ", host.build)},
          {"build_id", build_id()}};
}

Result<std::string> model_sha256(const std::string& path) {
  QL_TRY(std::string bytes, read_file(path));
  return sha256_hex(bytes);
}

}  // namespace quadlane::tools
