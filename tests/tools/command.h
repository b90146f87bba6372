// The command as a user calls it.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "tests/tools/scratch.h"
#include "tools/io/file.h"

namespace quadlane::tools {

struct CommandResult {
  int code;  // exit code; -1: it did not exit by itself
  std::string out, err;
};

inline CommandResult run_shell(const Scratch& scratch, const std::string& command) {
  std::string err = scratch.path(".stderr");
  FILE* pipe = ::popen((command + " 2>" + err).c_str(), "r");
  CommandResult result{-1, {}, {}};
  char buffer[4096];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) result.out.append(buffer, n);
  int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.err = *read_file(err);
  return result;
}

inline CommandResult quadlane(const Scratch& scratch, const std::string& arguments) {
  return run_shell(scratch, QUADLANE_COMMAND " " + arguments);
}

}  // namespace quadlane::tools
