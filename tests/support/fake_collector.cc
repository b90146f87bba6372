// Stands in for VTune's JIT collector: a library with its interface that writes the names it is told to a file.
#include <cstdio>
#include <cstdlib>

extern "C" int Initialize() { return 1; }

extern "C" int NotifyEvent(int event, void* data) {
  struct Method {
    unsigned id;
    const char* name;
    const void* address;
    unsigned bytes;
  };
  const auto* method = static_cast<const Method*>(data);
  std::FILE* log = std::fopen(std::getenv("FAKE_COLLECTOR_LOG"), "a");
  if (!log) return 0;
  std::fprintf(log, "%d %u %s %u\n", event, method->id, method->name, method->bytes);
  std::fclose(log);
  return 1;
}
