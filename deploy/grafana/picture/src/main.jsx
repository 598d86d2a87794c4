// Draws one dashboard with Grafana's own parts: its transformations, its field configuration, its value formats and its
// chart, table and figure components. Not its panel plugins, and not its loader.
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { firstValueFrom } from 'rxjs';
import {
  FieldType,
  ThemeContext,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { BigValue, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const WIDTH = 1720;
const CELL = 30;
const GAP = 8;
const NAMES = /\$\{?(\w+)\}?/g;

// Grafana registers these with their editors, which nothing here needs.
const PROPERTIES = ['unit', 'decimals', 'noValue', 'mappings', 'thresholds', 'color', 'links', 'min', 'max', 'displayName'];
const CUSTOM = [
  ...['width', 'align', 'cellOptions', 'filterable', 'inspect', 'drawStyle', 'lineInterpolation', 'lineWidth', 'fillOpacity'],
  ...['gradientMode', 'pointSize', 'showPoints', 'spanNulls', 'stacking', 'axisPlacement', 'axisLabel', 'axisColorMode'],
  ...['axisSoftMax', 'lineStyle', 'scaleDistribution', 'hideFrom', 'thresholdsStyle'],
];
const item = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  name: id,
  process: (value) => value,
  shouldApply: () => true,
  editor: () => null,
  override: () => null,
});
standardFieldConfigEditorRegistry.setInit(() => [
  ...PROPERTIES.map((id) => item(id, id, false)),
  ...CUSTOM.map((id) => item(`custom.${id}`, id, true)),
]);
standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
    editor: () => null,
  }))
);

const theme = createTheme({ colors: { mode: 'light' } });

function legend(format, labels) {
  return format.replace(/{{(\w+)}}/g, (_, name) => labels[name] ?? '').trim();
}

// As Grafana's data source for Prometheus makes frames of an answer.
function frames(target, series) {
  if (target.format === 'table') {
    const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].filter((name) => name !== '__name__').sort();
    return [
      toDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: series.map((one) => one.values[0][0] * 1000) },
          ...labels.map((name) => ({ name, type: FieldType.string, values: series.map((one) => one.metric[name] ?? '') })),
          { name: `Value #${target.refId}`, type: FieldType.number, values: series.map((one) => Number(one.values[0][1])) },
        ],
      }),
    ];
  }
  return series.map((one) => {
    const shown = target.legendFormat === '__auto' ? undefined : legend(target.legendFormat, one.metric);
    return toDataFrame({
      refId: target.refId,
      name: shown,
      fields: [
        { name: 'Time', type: FieldType.time, values: one.values.map(([time]) => time * 1000) },
        {
          name: 'Value',
          type: FieldType.number,
          labels: one.metric,
          config: shown === undefined ? {} : { displayNameFromDS: shown },
          values: one.values.map(([, value]) => (value === null ? null : Number(value))),
        },
      ],
    });
  });
}

async function prepared(panel, answers, interpolate) {
  let data = panel.targets.flatMap((target) => frames(target, answers[target.refId]));
  if (panel.type === 'table' && panel.targets.length === 1) {
    data[0].fields.at(-1).name = 'Value';
  }
  data = await firstValueFrom(transformDataFrame(panel.transformations, data.filter((frame) => frame.length > 0)));
  const shown = applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    replaceVariables: interpolate,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(shown);
  return shown;
}

function Figures({ panel, data, width, height, interpolate }) {
  const values = () =>
    getFieldDisplayValues({
      fieldConfig: panel.fieldConfig.defaults,
      reduceOptions: panel.options.reduceOptions,
      replaceVariables: interpolate,
      theme,
      data,
      timeZone: 'utc',
    });
  const drawn = ({ value, alignmentFactors, count, width: w, height: h }) => (
    <BigValue
      value={count === 1 && panel.options.textMode !== 'value_and_name' ? { ...value.display, title: undefined } : value.display}
      count={count}
      colorMode={panel.options.colorMode}
      graphMode={panel.options.graphMode}
      justifyMode={panel.options.justifyMode}
      textMode={panel.options.textMode}
      wideLayout={panel.options.wideLayout}
      text={panel.options.text}
      alignmentFactors={alignmentFactors}
      width={w}
      height={h}
      theme={theme}
    />
  );
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={(found) => getDisplayValueAlignmentFactors(found)}
      renderValue={drawn}
      source={data}
      renderCounter={1}
      width={width}
      height={height}
      orientation={panel.options.orientation}
      autoGrid
    />
  );
}

function Body({ panel, data, range, width, height, interpolate }) {
  if (panel.type === 'stat') {
    return <Figures {...{ panel, data, width, height, interpolate }} />;
  }
  if (data.length === 0 || data.every((frame) => frame.length === 0)) {
    return <div style={{ height, display: 'grid', placeItems: 'center', opacity: 0.65 }}>{panel.fieldConfig.defaults.noValue}</div>;
  }
  if (panel.type === 'table') {
    return <TableNG data={data[0]} width={width} height={height} cellHeight="sm" noValue={panel.fieldConfig.defaults.noValue} fieldConfig={panel.fieldConfig} structureRev={1} />;
  }
  return (
    <TimeSeries frames={data} width={width} height={height} timeRange={range} timeZone="utc" legend={panel.options.legend} options={{}} />
  );
}

function Panel({ panel, answers, range, interpolate }) {
  const [data, setData] = useState();
  useEffect(() => {
    prepared(panel, answers, interpolate).then(setData);
  }, [panel, answers, interpolate]);
  const step = WIDTH / 24;
  const { x, y, w, h } = panel.gridPos;
  const place = { position: 'absolute', left: x * step, top: y * (CELL + GAP), width: w * step - GAP, height: h * (CELL + GAP) - GAP };
  if (panel.type === 'row') {
    return <div className="row" style={place}>{interpolate(panel.title)}</div>;
  }
  return (
    <div style={place}>
      <PanelChrome title={interpolate(panel.title)} description={panel.description} width={place.width} height={place.height}>
        {(width, height) => data && <Body {...{ panel, data, range, width, height, interpolate }} />}
      </PanelChrome>
    </div>
  );
}

function Dashboard({ dashboard, chosen, results, from, to }) {
  const interpolate = (text) => text.replace(NAMES, (whole, name) => chosen[name]?.text ?? whole);
  const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const shown = dashboard.templating.list.filter(({ type }) => type !== 'datasource');
  const box = { border: `1px solid ${theme.colors.border.medium}`, background: theme.colors.background.primary };
  return (
    <div style={{ width: WIDTH + GAP, background: theme.colors.background.canvas, color: theme.colors.text.primary }}>
      <div className="bar">
        <h1>{dashboard.title}</h1>
        {shown.map(({ name, label }) => (
          <div className="variable" style={box} key={name}>
            <span style={{ color: theme.colors.text.secondary }}>{label}</span>
            <span>{chosen[name].text}</span>
          </div>
        ))}
      </div>
      <div style={{ position: 'relative', height: bottom * (CELL + GAP), margin: GAP }}>
        {dashboard.panels.map((panel) => (
          <Panel key={panel.id} panel={panel} answers={results[panel.id]} range={range} interpolate={interpolate} />
        ))}
      </div>
    </div>
  );
}

async function main() {
  await initPluginTranslations('grafana');
  const uid = new URLSearchParams(location.search).get('uid');
  const told = await (await fetch(`${uid}.json`)).json();
  createRoot(document.getElementById('root')).render(
    <StrictMode>
      <ThemeContext.Provider value={theme}>
        <Dashboard {...told} />
      </ThemeContext.Provider>
    </StrictMode>
  );
}

main().catch((error) => {
  document.body.textContent = String(error.stack);
});
