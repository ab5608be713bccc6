import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { FiguresView as Figures } from '../../../../src/wire/figures.ts';

const HEIGHT_PX = 240;
const MINUTE_MS = 60_000;

/** The value of a custom property of the sheet, so that light and dark have their own colours. */
const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Minutes of waiting by day: half, and 95 of a hundred, were answered within. The same stands below as a table. */
export function WaitingChart({ days, since }: { readonly days: Figures['days']; readonly since: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null || days.length === 0) return;
    const axis = { stroke: colour('--text'), grid: { stroke: colour('--edge') }, ticks: { stroke: colour('--edge') } };
    const width = () => Math.max(200, element.clientWidth);
    const chart = new uPlot(
      {
        width: width(),
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        axes: [axis, { ...axis, size: 72, values: (_, values) => values.map((value) => `${+value.toFixed(1)} min`) }],
        // All of the span, so that one busy day does not fill it; a minute at least, or a calm month looks wild.
        scales: {
          x: { range: [Date.parse(since) / 1_000, Date.now() / 1_000] },
          y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
        },
        series: [
          {},
          { label: '95 %', stroke: colour('--wait'), width: 2, points: { show: true } },
          { label: 'half', stroke: colour('--run'), width: 2, points: { show: true } },
        ],
      },
      [
        days.map(({ day }) => Date.parse(day) / 1_000),
        days.map(({ p95_ms: p95 }) => p95 / MINUTE_MS),
        days.map(({ p50_ms: p50 }) => p50 / MINUTE_MS),
      ],
      element,
    );
    const resized = new ResizeObserver(() => chart.setSize({ width: width(), height: HEIGHT_PX }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.destroy();
    };
  }, [days, since]);
  if (days.length === 0) return <p class="quiet">Nothing was answered in these days.</p>;
  return (
    <>
      <div ref={place} class="chart" role="img" aria-label="Minutes of waiting by day; the table below says the same" />
      <details>
        <summary>The same as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Answered</th>
              <th scope="col">Half within (min)</th>
              <th scope="col">95 % within (min)</th>
            </tr>
          </thead>
          <tbody>
            {days.map(({ day, answered, p50_ms: p50, p95_ms: p95 }) => (
              <tr key={day}>
                <td>{day}</td>
                <td>{answered}</td>
                <td>{Math.round(p50 / MINUTE_MS)}</td>
                <td>{Math.round(p95 / MINUTE_MS)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}
