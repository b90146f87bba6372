#include "bench/network_files.h"

#include <cstdlib>
#include <filesystem>

namespace quadlane::bench {
namespace fs = std::filesystem;

Result<std::string> NetworkFiles::fp32(const std::string& name) const {
  const std::string root = QUADLANE_REPOSITORY;
  if (name == "showcase") return root + "/tools/showcase/model/cardiac_dense_unet.onnx";
  if (name != "resnet50" && name != "mobilenet_v2") {
    std::string path = models + "/" + name + ".onnx";
    if (!fs::exists(path)) return make_error(Code::io, "'", path, "' is not there");
    return path;
  }
  std::string path = scratch + "/" + name + ".onnx";
  if (fs::exists(path)) return path;
  std::error_code none;
  fs::create_directories(scratch, none);
  const std::string command = cat("/usr/bin/python3 '", root, "/bench/make_network.py' ", name, " '", path, "'");
  if (std::system(command.c_str()) != 0) return make_error(Code::io, "bench/make_network.py cannot write '", path, "'");
  return path;
}

std::string NetworkFiles::quantized(const std::string& name) const {
  std::string path = models + "/" + name + ".qdq.onnx";
  return fs::exists(path) ? path : std::string();
}

NetworkFiles default_network_files() {
  return {QUADLANE_REPOSITORY "/../shared/models/synthetic", QUADLANE_BENCH_SCRATCH};
}

}  // namespace quadlane::bench
