# The battery's limits on a CAN bus to the PCS, in one of the shipped profiles (protocols §3). Limits and alarms of the BMS
# are those of protection-and-sequences.md §2, §3 and §10, where marked assumption; run it with a rig that has the bus:
# scenarios/rigs/ci-air-200-pcs-can.toml.
@pcs-can
Feature: The PCS takes its limits from a bus
  What the BMS allows reaches the PCS in the wire's own protocol and nothing else; what it forbids stops.

  Scenario: Limits reach the PCS and it uses them
    Given the plant is in operation
    When 10 s pass
    Then still the PCS may charge with at least 150 A [D: 176 A; P1: limits rise by 10 A/s]
    And still the PCS may discharge with at least 150 A [D]
    When the operator asks for 80 kW
    Then within 20 s the PCS delivers at least 79 kW [rig file: ramp of 25 kW/s]
    And still the BAU reports no alarm above level 0

  Scenario: A limit that falls is followed
    Given the plant charges at 0.4 C
    When the voltage measured at cell 5 of pack 3 in cluster 1 reads 3.58 V
    Then within 3 s the PCS may charge with at most 30 A [§3: 26 A at 3.58 V, P1; polled every second]
    And within 4 s the PCS takes at most 25 kW [D: 30 A at 750 V]

  Scenario: Charging that is forbidden stops, and discharging goes on
    Given the plant charges at 0.4 C
    When the voltage measured at cell 5 of pack 3 in cluster 1 reads 3.63 V
    Then within 4 s charging is forbidden to the PCS [§2 COV: level 2 at 3.60 V for 1 s; polled every second]
    And within 5 s the PCS takes at most 1 kW [assumption §2: level 2 stops charging]
    And still the contactors of cluster 1 are closed
    When the operator asks for 40 kW
    Then within 20 s the PCS delivers at least 39 kW [assumption §2: discharging lowers the cell]

  Scenario: A PCS that falls silent is alarmed, and one that hears nothing stops
    Given the plant discharges at 0.4 C
    When fault can-disconnect hits container-01/pcs
    Then within 4 s the BAU reports an alarm of level 2 [product file: keep-alive lost after 3 s, assumption]
    And within 5 s the PCS delivers no power [product file: 3 s without limits, assumption]
    And within 15 s the PCS is blocked [§10: no BMS for 10 s stops the PCS]
    And within 30 s the contactors of cluster 1 are open [assumption §10: no PCS for 10 s stops the stack]

  Scenario: A short silence is survived
    Given the plant discharges at 0.4 C
    When fault can-drop hits container-01/pcs for 1500 ms
    Then for 10 s the PCS is running [assumption: below 3 s]
    And still the BAU reports no alarm above level 0
