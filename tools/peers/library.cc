#include "tools/peers/library.h"

#include <dlfcn.h>

namespace quadlane::peers {

Result<Library> Library::open(const std::string& what, const std::vector<std::string>& candidates,
                              const std::string& how_to_get) {
  std::string reason = "no path is known";
  for (const std::string& candidate : candidates) {
    void* handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      const char* error = dlerror();
      reason = error ? error : candidate;
      continue;
    }
    Library library;
    // Never closed: engines leave threads and thread-local data behind.
    library.handle_ = std::shared_ptr<void>(handle, [](void*) {});
    library.path_ = candidate;
    return library;
  }
  return unsupported(what, " is not here (", reason, "): ", how_to_get);
}

void* Library::symbol(const char* name) const { return dlsym(handle_.get(), name); }

}  // namespace quadlane::peers
