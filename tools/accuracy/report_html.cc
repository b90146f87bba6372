#include <algorithm>
#include <cmath>

#include "tools/accuracy/report.h"

namespace quadlane::tools {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Quantization report</title><style>
body { font: 14px/1.5 system-ui, sans-serif; color: #1d2430; margin: 2.5em auto; max-width: 76em; padding: 0 1.5em; }
h1 { font-size: 1.5em; margin: 0 0 .2em; } h2 { font-size: 1.15em; margin: 2em 0 .6em; } p { margin: .3em 0; max-width: 60em; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25em .7em; border-bottom: 1px solid #e4e8ee; white-space: nowrap; }
th { font-weight: 600; color: #556; } th:first-child, td:first-child { text-align: left; white-space: normal; word-break: break-word; }
svg { vertical-align: middle; } .low { color: #b3261e; font-weight: 600; } .muted { color: #667; } .kept { background: #fff6df; }
.tiles { display: flex; gap: 1em; flex-wrap: wrap; margin: 1em 0; }
.tile { border: 1px solid #dde3ea; border-radius: 6px; padding: .6em 1em; min-width: 9em; } .tile b { display: block; font-size: 1.35em; }
figure { display: inline-block; margin: 0 1em 1em 0; } figure img { width: 260px; image-rendering: pixelated; border: 1px solid #ccd; }
figcaption { max-width: 260px; font-size: .85em; word-break: break-all; }
</style></head><body>
)";
constexpr double kLowDb = 25;  // marked

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string tile(const std::string& value, const std::string& label) {
  return "<div class=\"tile\"><b>" + value + "</b>" + label + "</div>\n";
}

// Counts over 48 equal cells of what was seen, on a square-root scale, the span of the levels below it.
std::string histogram(const LayerFigures& f) {
  constexpr int kCells = 48, kWidth = 192, kHeight = 30;
  const double low = std::min(f.low, f.least), high = std::max(f.high, f.most), width = high - low;
  if (!(width > 0)) return {};
  std::string svg = cat("<svg width=\"", kWidth, "\" height=\"", kHeight + 5, "\">");
  std::vector<double> cells(kCells, 0);
  for (const Histogram::Bin& bin : f.histogram) {
    // A bin near 0 is much narrower than a cell, one far out wider: its count goes evenly to the cells it touches.
    const int first = std::clamp(static_cast<int>((bin.low - low) / width * kCells), 0, kCells - 1);
    const int last = std::clamp(static_cast<int>((bin.high - low) / width * kCells), 0, kCells - 1);
    for (int c = first; c <= last; ++c)
      cells[static_cast<size_t>(c)] += static_cast<double>(bin.count) / (last - first + 1);
  }
  const double most = std::sqrt(*std::max_element(cells.begin(), cells.end()));
  for (int c = 0; c < kCells && most > 0; ++c) {
    const double h = std::sqrt(cells[static_cast<size_t>(c)]) / most * kHeight;
    svg += cat("<rect x=\"", c * kWidth / kCells, "\" y=\"", format("%.1f", kHeight - h), "\" width=\"",
               kWidth / kCells - 1, "\" height=\"", format("%.1f", h), "\" fill=\"#6b8fc4\"/>");
  }
  auto x = [&](double v) { return format("%.1f", (v - low) / width * kWidth); };
  svg += "<rect x=\"" + x(f.low) + "\" y=\"32\" width=\"" + format("%.1f", (f.high - f.low) / width * kWidth) +
         "\" height=\"3\" fill=\"#2e9d64\"/>";
  return svg + "</svg>";
}

std::string layer_row(const LayerFigures& f) {
  std::string row = "<tr><td>" + escaped(f.name) + " <span class=\"muted\">" + escaped(f.op) + "</span></td>";
  row += "<td>" + histogram(f) + "</td>";
  row += "<td>" + format("%.4g", f.least) + " .. " + format("%.4g", f.most) + "</td>";
  row += "<td>" + format("%.4g", f.low) + " .. " + format("%.4g", f.high) + "</td>";
  row += cat("<td>", f.scales == 1 ? "tensor" : "channel", "</td>");
  row +=
      std::string("<td") + (!(f.sqnr_db >= kLowDb) ? " class=\"low\"" : "") + ">" + format("%.1f", f.sqnr_db) + "</td>";
  return row + "<td>" + format("%.4f", 100 * f.saturated) + " %</td></tr>\n";
}

std::string control_section(const QuantizationReport& r) {
  if (!r.control) return {};
  const KeptLayers& layers = r.control->layers;
  std::string html =
      "<h2>Accuracy bound</h2>\n<p>" + r.metric + " may fall by at most " + format("%.6g", r.bound->max_drop) +
      cat(". Layers were ranked on ", r.control->tuning, " inputs",
          r.control->apart ? cat("; more of them were kept until ", r.control->held_out, " others met the bound too")
                           : ", all there were: none are held out",
          ".</p>\n");
  html += "<table><tr><th></th><th>fp32 score</th><th>drop, all int8</th><th>drop, as written</th></tr>\n";
  auto row = [&](const char* name, double score, const NetworkLoss& a, const NetworkLoss& b) {
    html += cat("<tr><td>", name, "</td><td>", format("%.6f", score), "</td><td>", format("%.6f", a.drop), "</td><td>",
                format("%.6f", b.drop), "</td></tr>\n");
  };
  row("chosen on", r.control->fp32_score, layers.int8, layers.loss);
  if (r.control->apart) row("held out", r.control->fp32_held_out, layers.int8_held_out, layers.held_out);
  html += "</table>\n";
  if (layers.loss.expected)
    html += "<p>By how far scores moved against how far the best is ahead, a share of " +
            format("%.3g", *layers.int8_held_out.expected) + " of the classes is expected to change in int8, " +
            format("%.3g", *layers.held_out.expected) + " as written; the bound holds for this, too.</p>\n";
  if (r.control->interval)
    html += "<p>What the held-out inputs say of others like them: a drop between " +
            format("%.3g", r.control->interval->low) + " and " + format("%.3g", r.control->interval->high) +
            " (95 %).</p>\n";
  if (r.control->ms > 0)
    html += "<p>A run takes " + format("%.3g ms", r.control->fp32_ms) + " in fp32, " +
            format("%.3g ms", r.control->int8_ms) + " in int8 and " + format("%.3g ms", r.control->ms) +
            " as written (kernels not tuned).</p>\n";
  if (layers.ranking.empty()) return html + "<p>int8 alone meets the bound: no layer was measured on its own.</p>\n";
  html +=
      "<h2>Sensitivity</h2>\n<p>Every layer alone in fp32, measured on the kernels that run, and what it adds to a "
      "network of fp32 where it alone is int8. Noise is that of the output, relative to its power; all int8: " +
      format("%.3g", layers.int8.noise) + ".</p>\n";
  html += "<table><tr><th>layer</th><th>noise left</th><th>takes away</th><th>" + r.metric +
          " drop</th><th>adds alone</th><th>costs</th></tr>\n";
  for (const KeptLayers::Layer& layer : layers.ranking) {
    const double gain = layers.int8.noise > 0 ? 100 * (1 - layer.without.noise / layers.int8.noise) : 0;
    const bool kept = layers.keep.count(layer.conv) > 0;
    html += std::string("<tr") + (kept ? " class=\"kept\"" : "") + "><td>" + escaped(layer.conv) +
            (kept ? " <b>stays in fp32</b>" : "") + "</td><td>" + format("%.3g", layer.without.noise) + "</td><td>" +
            format("%.1f %%", gain) + "</td><td>" + format("%.6f", layer.without.drop) + "</td><td>" +
            (layer.adds >= 0 ? format("%.3g", layer.adds) : "") + "</td><td>" +
            (kept ? format("%+.3f ms", r.control->cost_ms.at(layer.conv)) : "") + "</td></tr>\n";
  }
  return html + "</table>\n";
}

std::string worst_section(const QuantizationReport& r) {
  if (r.worst.empty()) return {};
  const bool pictures = std::any_of(r.worst.begin(), r.worst.end(), [](const auto& c) { return !c.png.empty(); });
  std::string html = "<h2>Where int8 decides otherwise</h2>\n<p>The inputs with the most changes.";
  if (pictures) html += " Red: pixels whose class changes; lighter: fp32 finds something there.";
  html += "</p>\n";
  for (const QuantizationReport::Case& c : r.worst) {
    html += "<figure>";
    if (!c.png.empty()) html += "<img alt=\"\" src=\"data:image/png;base64," + base64(c.png) + "\">";
    html += "<figcaption>" + escaped(c.name) + ": " + format("%.4f %%", 100 * c.changed) + "</figcaption></figure>\n";
  }
  return html;
}

}  // namespace

std::string to_html(const QuantizationReport& r) {
  std::string html = kHead;
  html += "<h1>" + escaped(r.model) + " in int8</h1>\n<p class=\"muted\">" + escaped(r.output) +
          cat(", ", r.samples, " calibration inputs, ranges: ") + r.method + ", rounding: " + r.rounding +
          ", for: " + r.form + "</p>\n<div class=\"tiles\">";
  html += tile(cat(r.quantized.int8.size(), " of ", r.quantized.layers), "convolutions and products in int8");
  if (r.inputs > 0) html += tile(format("%.1f dB", r.output_sqnr_db), "SQNR of the worst output");
  if (r.inputs > 0 && r.metric != "sqnr") {
    html += tile(format("%.6f", r.drop), r.metric + " lost against fp32");
    html += tile(format("%.4f %%", 100 * r.changed), "of the decisions change");
  }
  html += "</div>\n<p>";
  html += r.inputs == 0 ? std::string("Nothing was measured: there were no inputs, or see the notes.")
                        : cat("Measured on ", r.inputs,
                              r.control && r.control->apart ? " held-out inputs" : " of the calibration inputs",
                              " by the engine itself.");
  html += "</p>\n";
  html += control_section(r) + worst_section(r);
  html +=
      "<h2>Values stored as bytes</h2>\n<p>Blue: how often a value falls where (all channels, square-root scale). "
      "Green: what the 256 "
      "levels reach; a range may begin above what was seen where every reader clamps there. SQNR is of the value in "
      "the running int8 "
      "network, errors of all layers before it included; what lies beyond the levels is counted as saturated.</p>\n";
  html +=
      "<table><tr><th>value</th><th>distribution</th><th>seen</th><th>levels</th><th>scales</th><th>SQNR "
      "dB</th><th>saturated</th></tr>\n";
  for (const LayerFigures& f : r.layers) html += layer_row(f);
  html += "</table>\n";
  if (!r.quantized.notes.empty()) {
    html += "<h2>Notes</h2>\n<ul>";
    for (const std::string& note : r.quantized.notes) html += "<li>" + escaped(note) + "</li>\n";
    html += "</ul>\n";
  }
  return html + "</body></html>\n";
}

}  // namespace quadlane::tools
