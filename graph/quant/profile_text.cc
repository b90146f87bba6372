// Profiles as text files.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "engine/base/file.h"
#include "graph/quant/profile.h"

namespace quadlane {
namespace {

constexpr const char* kHeader = "quadlane-profile 2";
constexpr int64_t kMaxChannels = 1 << 20;
constexpr int64_t kMaxCount = int64_t{1} << 48;  // of elements and tensors: sums of many profiles stay in range

std::string exact(double v) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", v);
  return buffer;
}

// Names in quotes, on one line.
std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (char c : name) {
    if (c == '\\' || c == '\n') text += '\\';
    text += c == '\n' ? 'n' : c;
  }
  return text + '"';
}
std::string unquoted(std::string_view text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size();
    const char c = text[i += escaped];
    name += escaped && c == 'n' ? '\n' : c;
  }
  return name;
}

// The rest of a line "bins index:count ...".
Result<Histogram> read_bins(std::istream& in) {
  std::string line, pair;
  std::getline(in, line);
  std::istringstream words(line);
  if (!(words >> pair) || pair != "bins") return invalid_argument("expected 'bins', found '", line.substr(0, 40), "'");
  Histogram histogram;
  while (words >> pair) {
    int index = 0;
    unsigned long long count = 0;
    char rest = 0;
    const bool read = std::sscanf(pair.c_str(), "%d:%llu%c", &index, &count, &rest) == 2;
    if (!read || index < -Histogram::kMaxIndex || index > Histogram::kMaxIndex || count < 1 || count > kMaxCount)
      return invalid_argument("'", pair, "' is no bin");
    histogram.add_bin(index, count);
  }
  if (histogram.empty()) return invalid_argument("a channel has no bins");
  return histogram;
}

Result<ValueProfile> read_channels(std::istream& in, int64_t channels, ValueProfile p, bool histograms) {
  for (int64_t c = 0; c < channels; ++c) {
    double min = 0, max = 0, average_min = 0, average_max = 0, mean = 0, positive = 0;
    if (!(in >> min >> max >> average_min >> average_max >> mean >> positive))
      return invalid_argument("channel ", c, " of ", channels, " is cut off");
    constexpr double kMost = std::numeric_limits<float>::max();
    const bool finite = -kMost <= min && max <= kMost;
    if (finite) min = static_cast<float>(min), max = static_cast<float>(max);  // as they are kept
    if (!finite || !(min <= average_min && average_min <= average_max) || !(average_max <= max))
      return invalid_argument("channel ", c, " has the range ", min, " to ", max, ", on average ", average_min, " to ",
                              average_max);
    p.min.push_back(static_cast<float>(min));
    p.max.push_back(static_cast<float>(max));
    p.average_min.push_back(average_min);
    p.average_max.push_back(average_max);
    p.mean.push_back(mean);
    p.positive.push_back(positive);
    if (!histograms) continue;
    in.ignore(1, '\n');
    QL_TRY(Histogram h, read_bins(in));
    p.histograms.push_back(std::move(h));
  }
  return p;
}

std::string bins_line(const Histogram& h) {
  std::string line = "bins";
  for (const Histogram::Bin& bin : h.bins()) line += cat(" ", bin.index, ":", bin.count);
  return line + "\n";
}

}  // namespace

std::string Profile::to_text() const {
  std::string text = cat(kHeader, "\nsamples ", samples_, " histograms ", histograms_ ? 1 : 0, "\n");
  for (const auto& [name, p] : values_) {
    text += cat("value ", p.channels(), " ", p.count, " ", p.observations, " ", quoted(name), "\n");
    for (size_t c = 0; c < p.channels(); ++c) {
      for (double v : {double{p.min[c]}, double{p.max[c]}, p.average_min[c], p.average_max[c], p.mean[c]})
        text += exact(v) + " ";
      text += exact(p.positive[c]) + "\n";
      if (histograms_) text += bins_line(p.histograms[c]);
    }
  }
  return text;
}

Result<Profile> Profile::from_text(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::string line, word;
  if (!std::getline(in, line) || line != kHeader)
    return invalid_argument("is no profile: it begins with '", line.substr(0, 40), "', expected '", kHeader, "'");
  Profile profile;
  int histograms = 0;
  if (!(in >> word >> profile.samples_) || word != "samples" || !(in >> word >> histograms) || word != "histograms")
    return invalid_argument("the number of samples is missing");
  profile.histograms_ = histograms != 0;
  if (profile.samples_ < 0 || profile.samples_ > kMaxCount)
    return invalid_argument("it has ", profile.samples_, " samples");
  while (in >> word) {
    int64_t channels = 0;
    ValueProfile p;
    if (word != "value" || !(in >> channels >> p.count >> p.observations))
      return invalid_argument("expected 'value', found '", word, "'");
    const bool counts = p.count >= 1 && p.count <= kMaxCount && p.observations >= 1 && p.observations <= kMaxCount;
    if (channels < 1 || channels > kMaxChannels || !counts)
      return invalid_argument("a value has ", channels, " channels of ", p.count, " elements in ", p.observations,
                              " tensors");
    std::getline(in, line);
    size_t first = line.find('"'), last = line.rfind('"');
    if (first == line.npos || first == last) return invalid_argument("the name of a value is not quoted: ", line);
    const std::string name = unquoted(std::string_view(line).substr(first + 1, last - first - 1));
    QL_TRY(profile.values_[name],
           read_channels(in, channels, std::move(p), profile.histograms_).context(cat("value '", name, "'")));
  }
  return profile;
}

Status Profile::save(const std::string& path) const {
  const std::string text = to_text();
  return write_whole_file(path, std::as_bytes(std::span(text)));
}

Result<Profile> Profile::load(const std::string& path) {
  constexpr uintmax_t kMostBytes = uintmax_t{1} << 30;
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(path, error);  // of regular files alone
  if (error) return make_error(Code::io, "cannot read '", path, "': ", error.message());
  if (bytes > kMostBytes) return make_error(Code::io, "'", path, "' has ", bytes, " bytes, the limit is ", kMostBytes);
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(Code::io, "cannot read '", path, "'");
  std::ostringstream text;
  text << in.rdbuf();
  return from_text(text.str()).context(path);
}

}  // namespace quadlane
