// Profiles as text files.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "graph/quant/profile.h"

namespace quadlane {
namespace {

constexpr const char* kHeader = "quadlane-profile 1";
constexpr int64_t kMaxChannels = 1 << 20;

std::string exact(double v) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", v);
  return buffer;
}

Result<ValueProfile> read_channels(std::istream& in, int64_t channels, int64_t count) {
  ValueProfile p;
  p.count = count;
  for (int64_t c = 0; c < channels; ++c) {
    double min = 0, max = 0, mean = 0, positive = 0;
    if (!(in >> min >> max >> mean >> positive))
      return invalid_argument("channel ", c, " of ", channels, " is cut off");
    if (!std::isfinite(min) || !std::isfinite(max) || min > max)
      return invalid_argument("channel ", c, " has the range ", min, " to ", max);
    p.min.push_back(static_cast<float>(min));
    p.max.push_back(static_cast<float>(max));
    p.mean.push_back(mean);
    p.positive.push_back(positive);
  }
  return p;
}

}  // namespace

std::string Profile::to_text() const {
  std::string text = cat(kHeader, "\nsamples ", samples_, "\n");
  for (const auto& [name, p] : values_) {
    text += cat("value ", p.channels(), " ", p.count, " \"", name, "\"\n");
    for (size_t c = 0; c < p.channels(); ++c)
      text += cat(exact(p.min[c]), " ", exact(p.max[c]), " ", exact(p.mean[c]), " ", exact(p.positive[c]), "\n");
  }
  return text;
}

Result<Profile> Profile::from_text(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::string line, word;
  if (!std::getline(in, line) || line != kHeader)
    return invalid_argument("is no profile: it begins with '", line.substr(0, 40), "', expected '", kHeader, "'");
  Profile profile;
  if (!(in >> word >> profile.samples_) || word != "samples")
    return invalid_argument("the number of samples is missing");
  while (in >> word) {
    int64_t channels = 0, count = 0;
    if (word != "value" || !(in >> channels >> count)) return invalid_argument("expected 'value', found '", word, "'");
    if (channels < 1 || channels > kMaxChannels || count < 1)
      return invalid_argument("a value has ", channels, " channels of ", count, " elements");
    std::getline(in, line);
    size_t first = line.find('"'), last = line.rfind('"');
    if (first == line.npos || first == last) return invalid_argument("the name of a value is not quoted: ", line);
    std::string name = line.substr(first + 1, last - first - 1);
    QL_TRY(profile.values_[name], read_channels(in, channels, count).context(cat("value '", name, "'")));
  }
  return profile;
}

Status Profile::save(const std::string& path) const {
  std::string partial = path + ".partial";
  std::ofstream out(partial, std::ios::binary);
  out << to_text();
  out.close();
  if (!out || std::rename(partial.c_str(), path.c_str()) != 0) {
    std::remove(partial.c_str());
    return make_error(Code::io, "cannot write '", path, "'");
  }
  return {};
}

Result<Profile> Profile::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(Code::io, "cannot read '", path, "'");
  std::ostringstream text;
  text << in.rdbuf();
  return from_text(text.str()).context(path);
}

}  // namespace quadlane
