/** How many seats are taken. A limit of 0 is none. */
export function Seats({ used, limit, unit = '' }: { used: number | null; limit: number | null; unit?: string }) {
  if (used === null) return null;
  if (!limit) return <span className="seats">{used}{unit}</span>;
  const share = Math.min(used / limit, 1);
  return (
    <span className="seats" data-level={used > limit ? 'over' : share > 0.9 ? 'high' : 'fine'}>
      <span className="meter"><span style={{ width: `${share * 100}%` }} /></span>
      {used} of {limit}{unit}
    </span>
  );
}
