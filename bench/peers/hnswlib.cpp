// SPDX-License-Identifier: Apache-2.0
//
// hnswlib (Debian: libhnswlib-dev) by inner product on the table that bench/index left: seconds to build, bytes,
// microseconds of a list (median, 99th percentile), share of the exact list. See hnswlib.sh.
//
// usage: hnswlib FOLDER COLUMNS M EF-CONSTRUCTION EF [THREADS]
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

const size_t list_length = 100, warm = 50;

std::vector<float> read_floats(const std::string &path)
{
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) {
        std::fprintf(stderr, "hnswlib: cannot read %s\n", path.c_str());
        std::exit(1);
    }
    std::vector<float> values(static_cast<size_t>(file.tellg()) / sizeof(float));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    return values;
}

double seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The exact list of one query, as items in no order.
std::vector<size_t> exact_list(const std::vector<float> &rows, size_t columns, const float *query)
{
    const size_t items = rows.size() / columns;
    std::vector<std::pair<float, size_t>> scores(items);
    for (size_t item = 0; item < items; item++)
        scores[item] = {-std::inner_product(query, query + columns, &rows[item * columns], 0.0f), item};
    const size_t length = std::min(list_length, items);
    std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(length) - 1, scores.end());
    std::vector<size_t> out;
    for (size_t rank = 0; rank < length; rank++)
        out.push_back(scores[rank].second);
    return out;
}

} // namespace

int main(int count, char **arguments)
{
    if (count < 6) {
        std::fprintf(stderr, "usage: hnswlib FOLDER COLUMNS M EF-CONSTRUCTION EF [THREADS]\n");
        return 2;
    }
    const std::string folder = arguments[1];
    const size_t columns = std::stoul(arguments[2]), m = std::stoul(arguments[3]), width = std::stoul(arguments[4]);
    const size_t threads = count > 6 ? std::stoul(arguments[6]) : std::thread::hardware_concurrency();
    const std::vector<float> rows = read_floats(folder + "/rows.f32"), queries = read_floats(folder + "/queries.f32");
    const size_t items = rows.size() / columns, users = queries.size() / columns;

    hnswlib::InnerProductSpace space(columns);
    const double start = seconds();
    hnswlib::HierarchicalNSW<float> index(&space, items, m, width, 1);
    index.addPoint(rows.data(), 0);
    std::atomic<size_t> next(1);
    std::vector<std::thread> workers;
    for (size_t thread = 0; thread < threads; thread++)
        workers.emplace_back([&] {
            for (size_t item; (item = next++) < items;)
                index.addPoint(&rows[item * columns], item);
        });
    for (std::thread &worker : workers)
        worker.join();
    const double built = seconds() - start;
    index.setEf(std::stoul(arguments[5]));

    std::vector<double> taken(users);
    double overlap = 0;
    for (size_t turn = 0; turn < users + warm; turn++) {
        const size_t user = turn < warm ? turn % users : turn - warm;
        const double begin = seconds();
        auto found = index.searchKnn(&queries[user * columns], list_length);
        taken[user] = seconds() - begin;
        if (turn < warm)
            continue;
        const std::vector<size_t> exact = exact_list(rows, columns, &queries[user * columns]);
        size_t both = 0;
        for (; !found.empty(); found.pop())
            both += std::find(exact.begin(), exact.end(), found.top().second) != exact.end();
        overlap += static_cast<double>(both) / static_cast<double>(exact.size());
    }
    std::sort(taken.begin(), taken.end());
    // Its memory without the rows, of which it keeps a copy: links of all levels.
    const size_t links = items * (index.size_links_level0_ + index.size_links_per_element_ / m);
    const std::string name = "hnswlib M=" + std::to_string(m) + " ef=" + arguments[5];
    std::printf("%-40s %10.3f %12zu %10.1f %10.1f %10.1f %11.4f\n", name.c_str(), built, links,
                1e6 * taken[users / 2], 1e6 * taken[users * 99 / 100],
                1e6 * std::accumulate(taken.begin(), taken.end(), 0.0) / static_cast<double>(users),
                overlap / static_cast<double>(users));
    return 0;
}
