// How a dashboard is written down here becomes what Grafana imports: schema of Grafana 10 and 11.
//
// A dashboard is rows of panels; a panel names its kind, title, what is good and what to do, and its expressions. In an expression
// `NS` stands for the selector of the chosen namespaces, which with "All" also matches where no such label is.

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const WIDTH = 24;

/** Steps of colour from the lowest value on: green(), then the given pairs of colour and value. */
export const steps = (first, ...more) => [
  { color: first, value: null },
  ...more.map(([color, value]) => ({ color, value })),
];

const defaults = (panel) => ({
  ...(panel.unit && { unit: panel.unit }),
  ...(panel.min !== undefined && { min: panel.min }),
  ...(panel.max !== undefined && { max: panel.max }),
  ...(panel.decimals !== undefined && { decimals: panel.decimals }),
  ...(panel.none && { noValue: panel.none }),
  ...(panel.mappings && { mappings: panel.mappings }),
  ...(panel.steps && { thresholds: { mode: 'absolute', steps: panel.steps } }),
});

const KINDS = {
  stat: (panel) => ({
    fieldConfig: { defaults: { color: { mode: 'thresholds' }, ...defaults(panel) }, overrides: [] },
    options: {
      colorMode: 'background',
      graphMode: 'none',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: panel.named ? 'value_and_name' : 'auto',
    },
  }),
  timeseries: (panel) => ({
    fieldConfig: {
      defaults: {
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: panel.bars ? 'bars' : 'line',
          fillOpacity: panel.stacked ? 40 : 8,
          lineInterpolation: panel.stepped ? 'stepAfter' : 'linear',
          showPoints: 'never',
          stacking: { mode: panel.stacked ? 'normal' : 'none', group: 'A' },
          thresholdsStyle: { mode: panel.steps ? 'line' : 'off' },
        },
        ...defaults(panel),
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  }),
  heatmap: (panel) => ({
    fieldConfig: { defaults: {}, overrides: [] },
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: 'scheme', scheme: 'Oranges', scale: 'exponential', exponent: 0.5, steps: 64 },
      // A cell of nobody stays empty, so that one of one viewer is seen.
      filterValues: { le: 0.001 },
      legend: { show: true },
      tooltip: { mode: 'single', yHistogram: true },
      yAxis: { axisPlacement: 'left', unit: panel.unit },
      rowsFrame: { layout: 'auto' },
    },
  }),
  table: (panel) => ({
    fieldConfig: {
      defaults: {
        custom: { align: 'auto', cellOptions: { type: panel.mappings ? 'color-background' : 'auto' } },
        color: { mode: 'thresholds' },
        ...defaults(panel),
      },
      overrides: [],
    },
    options: { showHeader: true, cellHeight: 'sm', ...(panel.sortBy && { sortBy: [panel.sortBy] }) },
    transformations: [
      { id: 'organize', options: { excludeByName: { Time: true, ...panel.without }, renameByName: panel.columns ?? {} } },
    ],
  }),
};

const target = (kind, expression, index) => {
  const [legend, expr] = typeof expression === 'string' ? ['', expression] : expression;
  return {
    datasource: DATASOURCE,
    refId: String.fromCharCode(65 + index),
    expr: expr.replaceAll('NS', 'namespace=~"$namespace"'),
    legendFormat: legend,
    ...(kind === 'table' || kind === 'stat' ? { instant: true, range: false } : { range: true }),
    format: kind === 'table' ? 'table' : kind === 'heatmap' ? 'heatmap' : 'time_series',
  };
};

const VARIABLES = [
  { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0 },
  {
    name: 'namespace',
    label: 'Namespace',
    type: 'query',
    datasource: DATASOURCE,
    definition: 'label_values(mqtt_video_gatekeeper_info, namespace)',
    query: { query: 'label_values(mqtt_video_gatekeeper_info, namespace)', refId: 'namespaces' },
    // Also where no such label is.
    allValue: '.*',
    includeAll: true,
    multi: true,
    current: { text: ['All'], value: ['$__all'] },
    refresh: 2,
    sort: 1,
  },
];

/** The dashboard as Grafana imports it. */
export function grafana({ uid, title, description, rows }) {
  const panels = [];
  let y = 0;
  let id = 1;
  for (const row of rows) {
    panels.push({ id: id++, type: 'row', title: row.title, collapsed: false, gridPos: { x: 0, y, w: WIDTH, h: 1 }, panels: [] });
    y += 1;
    // Panels of a row share its width, in as many lines as it says.
    const perLine = row.perLine ?? row.panels.length;
    row.panels.forEach((panel, index) => {
      const w = WIDTH / perLine;
      const h = row.height ?? 8;
      const gridPos = { x: (index % perLine) * w, y: y + Math.floor(index / perLine) * h, w, h };
      panels.push({
        id: id++,
        type: panel.kind,
        title: panel.title,
        description: panel.description,
        datasource: DATASOURCE,
        gridPos,
        targets: panel.expressions.map((expression, at) => target(panel.kind, expression, at)),
        ...KINDS[panel.kind](panel),
      });
    });
    y += Math.ceil(row.panels.length / perLine) * (row.height ?? 8);
  }
  return {
    uid,
    title,
    description,
    tags: ['mqtt-video'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    links: [
      { type: 'dashboards', tags: ['mqtt-video'], title: 'mqtt-video', asDropdown: false, includeVars: true, keepTime: true, targetBlank: false },
    ],
    templating: { list: VARIABLES },
    annotations: {
      list: [
        {
          name: 'Alerts',
          datasource: DATASOURCE,
          enable: true,
          expr: 'ALERTS{alertname=~"MqttVideo.*", alertstate="firing", namespace=~"$namespace"}',
          iconColor: 'red',
          titleFormat: '{{alertname}}',
          step: '60s',
        },
      ],
    },
    panels,
  };
}
