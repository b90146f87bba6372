// A shared library opened by path at run time: other engines are never linked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::peers {

class Library {
 public:
  // The first of these paths or names that opens; the error carries `how_to_get`.
  static Result<Library> open(const std::string& what, const std::vector<std::string>& candidates,
                              const std::string& how_to_get);
  const std::string& path() const { return path_; }

  // Null when the library has no such symbol.
  void* symbol(const char* name) const;
  template <class Fn>
  Fn* function(const char* name) const {
    return reinterpret_cast<Fn*>(symbol(name));
  }

 private:
  std::shared_ptr<void> handle_;
  std::string path_;
};

}  // namespace quadlane::peers
